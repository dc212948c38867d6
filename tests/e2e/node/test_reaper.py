"""The reaper on a real kubelet: pods whose task has ended and whose proxy runs on end, with the task's own result where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import executor_pod, shell, stand_in_proxy
from tests.e2e.reaping import pods_of, reap
from webhook.core.names import MODE_ANNOTATION
from webhook.kube.client import KubernetesClient
from webhook.kube.exec import held_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

LABEL_ONLY: Final = {MODE_ANNOTATION: "label-only"}
"""The webhook writes its status, and leaves the sidecar alone."""

RAN: Final = "the task ran\n"


class PodCase:
    """A pod: its task's exit code, its proxy's behaviour, and how it ends."""

    def __init__(self, code: int, behaviour: Behaviour, methods: list[str], phase: str) -> None:
        self.code, self.behaviour, self.methods, self.phase = code, behaviour, methods, phase


CASES: Final = {
    "succeeds": PodCase(0, Behaviour.AS_ISTIO, ["quit"], "Succeeded"),
    "fails": PodCase(3, Behaviour.AS_ISTIO, ["quit"], "Failed"),
    "killed": PodCase(137, Behaviour.AS_ISTIO, ["quit"], "Failed"),
    "reply-lost": PodCase(0, Behaviour.REPLY_LOST, ["quit"], "Succeeded"),
    "fails-refused": PodCase(3, Behaviour.QUIT_FAILS, ["quit", "deadline"], "Failed"),
    "succeeds-refused": PodCase(0, Behaviour.QUIT_FAILS, ["quit"], "Running"),
}


@pytest.fixture(scope="module")
def report(namespace: PodNamespace, task_image: str, agent_image: str) -> Iterator[dict[str, JSONObject]]:
    """The report on all pods, by name."""
    for name, case in CASES.items():
        base = shell(task_image, f"echo the task ran; exit {case.code}")
        namespace.create(executor_pod(namespace.name, name, base, stand_in_proxy(agent_image, case.behaviour), annotations=LABEL_ONLY))
    working = executor_pod(
        namespace.name,
        "uploader-works",
        shell(task_image, "exit 1"),
        stand_in_proxy(agent_image),
        {"name": "uploader", **shell(task_image, "sleep 600")},
        annotations=LABEL_ONLY,
    )
    namespace.create(working)
    for name in (*CASES, "uploader-works"):
        namespace.base_end(name)
    yield pods_of(reap(namespace.level.server.kubeconfig, "-n", namespace.name, "--grace", "2"))
    for name in ("succeeds-refused", "uploader-works"):
        namespace.delete(name, 0)


@pytest.mark.parametrize("name", CASES)
def test_a_pod_ends_by_the_gentlest_method_that_works(name: str, report: dict[str, JSONObject]) -> None:
    acts = report[name]["acts"]
    assert [act["method"] for act in acts] == CASES[name].methods
    assert report[name]["phase"] == CASES[name].phase, report[name]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.phase != "Running"])
def test_the_tasks_own_exit_code_and_its_log_stay(name: str, report: dict[str, JSONObject], namespace: PodNamespace) -> None:
    assert report[name]["exit_code"] == CASES[name].code
    states = {one["name"]: one["state"] for one in namespace.pod(name)["status"]["containerStatuses"]}

    assert states["base"]["terminated"]["exitCode"] == CASES[name].code
    assert namespace.log(name) == RAN


def test_a_proxy_that_took_its_quit_request_exited_0_and_the_request_came_from_the_loopback(
    report: dict[str, JSONObject], namespace: PodNamespace
) -> None:
    assert report["fails"]["acts"][0]["detail"] == "HTTP 200"
    states = {one["name"]: one["state"] for one in namespace.pod("fails")["status"]["containerStatuses"]}
    assert states["istio-proxy"]["terminated"]["exitCode"] == 0


def test_the_deadline_ends_a_failed_task_whose_proxy_refuses(report: dict[str, JSONObject], namespace: PodNamespace) -> None:
    assert report["fails-refused"]["acts"][0]["outcome"] == "refused"
    assert namespace.pod("fails-refused")["status"]["reason"] == "DeadlineExceeded"


def test_a_successful_task_whose_proxy_refuses_is_left_with_a_remedy(report: dict[str, JSONObject]) -> None:
    assert (report["succeeds-refused"]["reason"], report["succeeds-refused"]["verdict"]) == ("methods-spent", "leave")
    assert report["succeeds-refused"]["remedy"]


def test_a_container_that_nobody_knows_keeps_its_pod(report: dict[str, JSONObject]) -> None:
    assert (report["uploader-works"]["reason"], report["uploader-works"]["acts"]) == ("unknown-container-running", [])


def test_a_held_command_runs_once_it_is_released_and_not_before(namespace: PodNamespace, task_image: str) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    namespace.create(executor_pod(namespace.name, "signalled", shell(task_image, script)))
    namespace.wait_for_log("signalled", "ready")
    configuration = Configuration()
    load_kube_config(str(namespace.level.server.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    client = KubernetesClient(configuration)

    with held_command(client, namespace.path("signalled"), "base", "kill -TERM 1"):
        pass
    assert "running" in namespace.pod("signalled")["status"]["containerStatuses"][0]["state"]
    with held_command(client, namespace.path("signalled"), "base", "kill -TERM 1") as command:
        assert command.release() == ""
    assert namespace.end("signalled").phase == "Succeeded"
