"""The simulated kubelet runs what a kubelet runs, and follows the wrapper to what the real one becomes in a real shell."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.pods import admitted, container
from tests.support.simulated_kubelet import WAITS_FOR_TASK, PodTruth, SimulatedNode, run
from webhook.core.cluster import UNKNOWN_CLUSTER

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

TRUTH = PodTruth("base")
ALWAYS = {"name": "cache", "image": "redis", "restartPolicy": "Always"}


def pod(inits: list[JSONObject] | None = None, beside: tuple[JSONObject, ...] = (), **task: Any) -> JSONObject:
    """A pod of the operator with this task."""
    base = {"name": "base", "image": "python:3.12", "command": ["python"], **task}
    metadata = {"name": "x", "labels": {"kubernetes_pod_operator": "True"}, "annotations": {"airflow-sidecar-webhook/wait-seconds": "0"}}
    spec = {"restartPolicy": "Never", "containers": [base, *beside], "initContainers": inits or []}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("task", "argv"),
    [
        ({}, ("python",)),
        ({"args": ["-c", "$(A) $$(A) $(B)"], "env": [{"name": "A", "value": "a"}]}, ("python", "-c", "a $(A) $(B)")),
        ({"command": None}, ("python3",)),
        ({"command": None, "args": ["-V"]}, ("-V",)),
        ({"command": None, "image": "apache/airflow:3.0.0", "args": ["version"]}, ("/usr/bin/dumb-init", "--", "/entrypoint", "version")),
        ({"command": [], "image": "registry.example.com/etl:9"}, ("/etl", "--help")),
    ],
    ids=str,
)
def test_a_task_runs_its_command_and_what_its_image_adds(task: JSONObject, argv: tuple[str, ...]) -> None:
    assert run(pod(**task), TRUTH).argv == argv


def test_containers_start_in_their_order() -> None:
    started = run(pod([{"name": "prepare"}, ALWAYS], ({"name": "logs"},)), TRUTH).started

    assert started == ("prepare", "cache", "base", "logs")


@pytest.mark.parametrize(
    ("inits", "truth"),
    [
        ([{"name": "proxy"}], PodTruth("base", never_end=frozenset({"proxy"}))),
        ([ALWAYS], PodTruth("base", SimulatedNode(is_virtual=True), never_end=frozenset({"cache"}))),
        ([ALWAYS | {"lifecycle": {"postStart": WAITS_FOR_TASK}}], TRUTH),
        ([{"name": "istio-init"}, {"name": "fetch"}], PodTruth("base", need_network=frozenset({"fetch"}))),
        ([], PodTruth("worker")),
    ],
    ids=["never ends", "virtual node", "waits for the task", "no network", "no such container"],
)
def test_a_task_whose_pod_is_held_up_never_runs(inits: list[JSONObject], truth: PodTruth) -> None:
    held_up = run(pod(inits), truth)

    assert held_up.argv is None
    assert held_up.problem


def test_behind_a_native_proxy_an_init_container_has_the_network() -> None:
    inits = [{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}, {"name": "fetch"}]

    assert run(pod(inits), PodTruth("base", need_network=frozenset({"fetch"}))).argv == ("python",)


SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.mark.parametrize(
    "args",
    [["-c", SHOW, "--", "airflow-sidecar-webhook"], ["-c", SHOW, "a b", "", "$HOME", "$$x", "$(V)", "'\"\n"]],
    ids=["options", "text"],
)
def test_the_wrapper_becomes_what_the_real_one_becomes_in_a_real_shell(args: list[str], policy: Policy) -> None:
    database = {"name": "sql", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["--quitquitquit"]}
    task = pod(beside=(database,), command=[sys.executable, *args], env=[{"name": "V", "value": "v w"}])
    wrapped = run(admitted(task, policy, UNKNOWN_CLUSTER)[1], TRUTH)
    command = container(admitted(task, policy, UNKNOWN_CLUSTER)[1], "base")["command"]
    # Without its sidecars, whose ends would be waited for.
    bare = [word for place, word in enumerate(command) if not is_of_sidecar(command, place)]
    real = subprocess.run([word.replace("$(V)", "v w").replace("$$", "$") for word in bare], capture_output=True, check=True, timeout=60)

    assert wrapped.wrapper is not None
    assert wrapped.argv == run(task, TRUTH).argv
    assert json.loads(real.stdout) == list((wrapped.argv or ())[3:])


def is_of_sidecar(command: list[str], place: int) -> bool:
    """Whether a word belongs to the option ``--sidecar``."""
    end = command.index("--")
    return place < end and "--sidecar" in command[max(0, place - 4) : place + 1]
