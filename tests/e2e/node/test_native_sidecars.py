"""Sidecars that the webhook made native, on a real kubelet: whatever they do, the pod ends as its task does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import yaml

from tests.e2e.mesh.task import KILLED, assert_runs_on, ended, regular, status_of
from tests.e2e.node.namespace import namespace_on
from tests.e2e.node.native import native, native_status, selecting, watching
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook import __version__
from webhook.core.cluster import NativeSupport
from webhook.core.names import SIDECARS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


SHARED: JSONObject = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNT: Final = [{"name": "shared", "mountPath": "/shared"}]
LIMIT: Final = {"limits": {"memory": "32Mi"}}

ROWS: Final = [
    {"id": "agent", "title": "An admin's own", "match": {"names": ["agent"]}, "native": {"convert": {}}, "sources": ["this test"]}
]
"""A sidecar that the admin has described, in the shape of webhook/data/sidecars."""

DESCRIPTION: Final = {SIDECARS_ANNOTATION: json.dumps([{"name": "agent", "native": True}])}
"""The same, as the pod's author describes it."""

ON_TERM: Final = "trap 'exit {code}' TERM; while :; do sleep 0.1; done"
DEAF: Final = "trap '' TERM; while :; do sleep 0.1; done"
"""A script that only SIGKILL ends."""


class NativeCase(NamedTuple):
    """How a sidecar and its task end."""

    sidecar: int
    task: int

    @property
    def script(self) -> str:
        """The sidecar's."""
        return DEAF if self.sidecar == KILLED else ON_TERM.format(code=self.sidecar)

    @property
    def grace(self) -> JSONObject:
        """Of its pod: only a sidecar that has to be killed takes all of it."""
        return {"terminationGracePeriodSeconds": 1 if self.sidecar == KILLED else 60}


CASES: Final = {f"sidecar-{sidecar}-task-{task}": NativeCase(sidecar, task) for sidecar in (0, 1, 143, KILLED) for task in (0, 3)}


@pytest.fixture(scope="module")
def level(node: NodeLevel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLevel]:
    """The node with a webhook that watches it, and has the admin's row in its catalogue."""
    file: Path = tmp_path_factory.mktemp("rows") / "sidecars.yaml"
    file.write_text(yaml.safe_dump(ROWS))
    with watching(node, "node-watcher", {"SIDECARS_FILE": str(file)}) as watcher:
        yield watcher


@pytest.fixture(scope="module")
def able(level: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace for whose pods that webhook is called."""
    with selecting(level, "airflow-sidecar-webhook-node") as labels, namespace_on(level, "able", **labels) as namespace:
        yield namespace


@pytest.fixture(scope="module", autouse=True)
def _ends(able: PodNamespace, bystander: PodNamespace, task_image: str) -> None:
    """Every case as a pod, all at once; and an unpatched one with a regular sidecar."""
    for name, case in CASES.items():
        agent = {"name": "agent", **shell(task_image, case.script)}
        able.create(operator_pod(able.name, name, shell(task_image, f"exit {case.task}"), agent, **case.grace))
    agent = {"name": "agent", **shell(task_image, "exit 143")}
    bystander.create(operator_pod(bystander.name, "regular", shell(task_image, "exit 0"), agent))


def test_the_webhook_has_read_the_kubelets_version_from_the_node(able: PodNamespace) -> None:
    nodes = able.level.api.get("/api/v1/nodes")["items"]
    (line,) = [line for line in able.level.webhook.log if line["event"] == "native sidecars"]
    assert (line["support"], line["node"]) == ("ready", nodes[0]["metadata"]["name"])
    assert f"v{line['oldest_kubelet']}" == nodes[0]["status"]["nodeInfo"]["kubeletVersion"]


def test_a_kubelet_that_is_older_than_the_setting_gets_no_native_sidecar(node: NodeLevel, task_image: str) -> None:
    with (
        watching(node, "demanding", {"MINIMUM_KUBELET": "1.999.0"}, found=NativeSupport.OLD_KUBELET) as level,
        selecting(level, "airflow-sidecar-webhook-demanding") as labels,
        namespace_on(level, "demanding", **labels) as namespace,
    ):
        agent = {"name": "agent", **shell(task_image, DEAF)}
        pod = level.api.create(
            operator_pod(namespace.name, "old", shell(task_image, "exit 0"), agent, annotations=DESCRIPTION), dryRun="All"
        )
        assert regular(pod) == ["base", "agent"]
        assert status_of(pod)["no_native"] == "old-kubelet"


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)
def test_the_pod_ends_with_its_tasks_code_whatever_its_sidecars_is(able: PodNamespace, name: str, case: NativeCase) -> None:
    end = able.end(name)
    assert native(end.pod) == ["agent"]
    assert status_of(end.pod) == {
        "treatment": "native",
        "reason": "sidecars-native",
        "main": "base",
        "sidecars": {"agent": "native"},
        "converted": ["agent"],
        "version": __version__,
    }
    assert ended(end, "base")["exitCode"] == case.task
    assert native_status(end, "agent")["state"]["terminated"]["exitCode"] == case.sidecar
    assert end.phase == ("Failed" if case.task else "Succeeded")


def test_a_regular_sidecars_code_does_have_an_effect(bystander: PodNamespace) -> None:
    end = bystander.end("regular")
    assert ended(end, "base")["exitCode"] == 0
    assert end.phase == "Failed"


def test_a_sidecar_that_crashes_under_the_task_is_started_again_and_the_task_goes_on(able: PodNamespace, task_image: str) -> None:
    crash = "echo run >>/shared/runs; [ $(wc -l </shared/runs) -ge 2 ] || { sleep 1; exit 5; }; " + ON_TERM.format(code=0)
    wait = "echo began; until [ $(wc -l </shared/runs) -ge 2 ]; do sleep 0.1; done; exit 3"
    agent = {"name": "agent", **shell(task_image, crash, volumeMounts=MOUNT)}
    able.create(operator_pod(able.name, "crash", shell(task_image, wait, volumeMounts=MOUNT), agent, annotations=DESCRIPTION, **SHARED))

    again = able.when("crash", lambda moment: native_status(moment, "agent")["restartCount"] == 1, "has its sidecar started again")
    crashed = native_status(again, "agent")["lastState"]["terminated"]
    end = able.end("crash")
    base = ended(end, "base")
    assert (crashed["exitCode"], base["exitCode"]) == (5, 3)
    assert base["startedAt"] <= crashed["finishedAt"] <= base["finishedAt"]
    # The task ran once, and saw both runs of its sidecar.
    assert able.log("crash") == "began\n"
    assert native_status(end, "agent")["restartCount"] == 1
    assert end.phase == "Failed"


def test_a_task_that_fails_twice_runs_three_times_beside_one_sidecar(able: PodNamespace, task_image: str) -> None:
    base = shell(task_image, "echo run >>/shared/runs; [ $(wc -l </shared/runs) -ge 3 ]", volumeMounts=MOUNT)
    agent = {"name": "agent", **shell(task_image, ON_TERM.format(code=1))}
    able.create(operator_pod(able.name, "fails-twice", base, agent, restartPolicy="OnFailure", **SHARED))

    end = able.end("fails-twice")
    assert end.phase == "Succeeded"
    assert [status["restartCount"] for status in end.pod["status"]["containerStatuses"]] == [2]
    assert native_status(end, "agent")["restartCount"] == 0


def test_a_task_that_is_out_of_memory_is_reported_so_and_the_pod_ends(able: PodNamespace, task_image: str) -> None:
    agent = {"name": "agent", **shell(task_image, ON_TERM.format(code=0))}
    able.create(operator_pod(able.name, "too-big", shell(task_image, "exec tail /dev/zero", resources=LIMIT), agent))

    end = able.end("too-big")
    base = ended(end, "base")
    assert (end.phase, base["exitCode"], base["reason"]) == ("Failed", 137, "OOMKilled")
    assert native_status(end, "agent")["state"]["terminated"]["exitCode"] == 0


def test_a_task_that_is_deleted_still_has_its_sidecar_when_it_gets_term(able: PodNamespace, task_image: str) -> None:
    on_term = "sleep 1; [ -e /shared/alive ] && exit 7; exit 1"
    alive = "touch /shared/alive; trap 'rm /shared/alive; exit 0' TERM; while :; do sleep 0.1; done"
    base = shell(task_image, f"trap '{on_term}' TERM; echo runs; while :; do sleep 0.1; done", volumeMounts=MOUNT)
    agent = {"name": "agent", **shell(task_image, alive, volumeMounts=MOUNT)}
    able.create(operator_pod(able.name, "deleted", base, agent, **SHARED))
    able.wait_for_log("deleted", "runs")
    able.delete("deleted", 30)

    gone = able.gone("deleted")
    assert ended(gone, "base")["exitCode"] == 7
    assert native_status(gone, "agent")["state"]["terminated"]["exitCode"] == 0


def test_a_described_sidecar_that_is_native_is_ready_by_its_own_probe_before_the_task_starts(
    able: PodNamespace, bash_image: str, agent_image: str
) -> None:
    description = [{"name": "tunnel", "native": True, "ready": {"port": 9001, "path": "/healthz/ready"}}]
    proxy = stand_in_proxy(agent_image, ready_after_seconds=3.0)
    tunnel = {**proxy, "name": "tunnel", "command": [*proxy["command"], "--status-port=9000", "--ready-port=9001"]}
    probe = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9001/healthz/ready')"
    tunnel["startupProbe"] = {"exec": {"command": [proxy["command"][0], "-c", probe]}, "periodSeconds": 1, "failureThreshold": 60}
    base = shell(bash_image, "curl -sS -f http://127.0.0.1:9001/healthz/ready && exit 3")
    able.create(operator_pod(able.name, "described", base, tunnel, annotations={SIDECARS_ANNOTATION: json.dumps(description)}))

    end = able.end("described")
    assert native(end.pod) == ["tunnel"]
    assert ended(end, "base")["exitCode"] == 3


MIXED: Final = {SIDECARS_ANNOTATION: json.dumps([{"name": "tunnel", "quit": {"port": 9000, "path": "/quitquitquit"}}])}


def mixed_pod(namespace: PodNamespace, name: str, images: tuple[str, str], unknown: str) -> JSONObject:
    """A task beside one sidecar that becomes native, one that is stopped by a quit request, and an unknown one, which runs a script."""
    task_image, agent_image = images
    proxy = stand_in_proxy(agent_image)
    sidecars = (
        {"name": "agent", **shell(task_image, ON_TERM.format(code=1))},
        {**proxy, "name": "tunnel", "command": [*proxy["command"], "--status-port=9000", "--ready-port=9001"]},
        {"name": "stranger", **shell(task_image, unknown)},
    )
    return namespace.level.api.create(operator_pod(namespace.name, name, shell(task_image, "exit 3"), *sidecars, annotations=MIXED))


@pytest.mark.parametrize("unknown", ["exit 0", DEAF], ids=["ends", "stays"])
def test_in_a_mixed_pod_each_sidecar_gets_its_own_treatment(able: PodNamespace, task_image: str, agent_image: str, unknown: str) -> None:
    pod = mixed_pod(able, f"mixed-{len(unknown)}", (task_image, agent_image), unknown)
    name = pod["metadata"]["name"]
    assert (native(pod), regular(pod)) == (["agent"], ["base", "tunnel", "stranger"])
    assert status_of(pod)["treatment"] == "wrapped"
    assert status_of(pod)["sidecars"] == {"agent": "native", "tunnel": "quit"}
    assert status_of(pod)["may_keep_running"] == ["stranger"]

    assert able.base_end(name)["exitCode"] == 3
    moment_of_quit = able.when(name, lambda moment: moment.terminated("tunnel") is not None, "has its tunnel ended")
    assert ended(moment_of_quit, "tunnel")["exitCode"] == 0
    if unknown == DEAF:
        # The webhook does not know how to end it: the pod runs on, and so does its native sidecar.
        assert "running" in native_status(moment_of_quit, "agent")["state"]
        assert_runs_on(able, name)
    else:
        end = able.end(name)
        assert end.phase == "Failed"
        assert native_status(end, "agent")["state"]["terminated"]["exitCode"] == 1
