"""The controller on a real kubelet: each pod that it may end ends after its grace, and what it must not touch runs on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import executor_pod, operator_pod, shell, stand_in_proxy
from tests.e2e.reaper_process import watching_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.reaper_process import ControllerProcess
    from tests.support.json_object import JSONObject

GRACE_SECONDS: Final = 2
LIMIT: Final = {"limits": {"memory": "32Mi"}}
RAN: Final = "the task ran\n"
RUNS_ON: Final = "sleep 3600"

ONCE_READY: Final = "until wget -q -O /dev/null http://127.0.0.1:15021/healthz/ready 2>/dev/null; do sleep 0.1; done"
"""So the proxy takes requests once the task has ended, also on a busy machine."""

ENDING: Final[dict[str, tuple[str, Behaviour, int, str]]] = {
    "succeeds": ("echo the task ran; exit 0", Behaviour.AS_ISTIO, 0, "Succeeded"),
    "fails": ("echo the task ran; exit 3", Behaviour.AS_ISTIO, 3, "Failed"),
    "killed": ("echo the task ran; exit 137", Behaviour.AS_ISTIO, 137, "Failed"),
    "out-of-memory": ("echo the task ran; exec tail /dev/zero", Behaviour.AS_ISTIO, 137, "Failed"),
    "refused": ("echo the task ran; exit 3", Behaviour.QUIT_FAILS, 3, "Failed"),
}
"""The task, what its proxy does, the exit code of the task, and the phase in which the pod ends."""


@pytest.fixture(scope="module")
def untouched(bystander: PodNamespace, task_image: str, agent_image: str) -> list[str]:
    """The names of pods whose task has ended, or seems to have, and which must run on."""
    done = shell(task_image, "exit 1")
    proxy = stand_in_proxy(agent_image)
    name = bystander.name
    foreign = executor_pod(name, "foreign", done, proxy)
    foreign["metadata"]["labels"] = {"app": "base"}
    pods = [
        executor_pod(name, "uploads", done, proxy, {"name": "uploader", **shell(task_image, RUNS_ON)}),
        operator_pod(name, "has-a-result", done, proxy, {"name": "airflow-xcom-sidecar", **shell(task_image, RUNS_ON)}),
        executor_pod(name, "started-again", done, proxy, restartPolicy="Always"),
        executor_pod(name, "tries-again", done, proxy, restartPolicy="OnFailure"),
        executor_pod(name, "works", shell(task_image, RUNS_ON), proxy),
        executor_pod(name, "debugged", done, proxy),
        foreign,
    ]
    bystander.create(*pods)
    for pod in ("uploads", "has-a-result", "debugged", "foreign"):
        bystander.base_end(pod)
    debugger = {"name": "debugger", "image": task_image, "command": ["/bin/sh", "-c", RUNS_ON]}
    bystander.level.api.patch(f"{bystander.path('debugged')}/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugger]}})
    return [pod["metadata"]["name"] for pod in pods]


@pytest.fixture(scope="module")
def reaper(bystander: PodNamespace, untouched: list[str], task_image: str, agent_image: str) -> Iterator[ControllerProcess]:
    """A controller that has ended what it may end, of pods that the webhook has never seen."""
    options = ("-n", bystander.name, "--lease", bystander.name, "--unmarked", "--grace", str(GRACE_SECONDS))
    with watching_reaper(bystander.level, "reaper", bystander.level.server.kubeconfig, *options) as reaper:
        reaper.until_logged("acting")
        for name, (script, behaviour, _, _) in ENDING.items():
            base = shell(task_image, f"{ONCE_READY}; {script}", resources=LIMIT if name == "out-of-memory" else {})
            bystander.create(executor_pod(bystander.name, name, base, stand_in_proxy(agent_image, behaviour)))
        uploader = {"name": "uploader", **shell(task_image, "sleep 8")}
        bystander.create(
            executor_pod(bystander.name, "after-its-upload", shell(task_image, "exit 0"), stand_in_proxy(agent_image), uploader)
        )
        for name in (*ENDING, "after-its-upload"):
            bystander.end(name)
        yield reaper
    for name in untouched:
        bystander.delete(name, 0)


def state_of(pod: JSONObject, container: str) -> JSONObject:
    (state,) = [one["state"] for one in pod["status"]["containerStatuses"] if one["name"] == container]
    found: JSONObject = state
    return found


@pytest.mark.parametrize("name", ENDING)
def test_a_pod_ends_with_the_exit_code_and_the_log_of_its_task(name: str, reaper: ControllerProcess, bystander: PodNamespace) -> None:
    _, behaviour, code, phase = ENDING[name]
    pod = bystander.pod(name)
    methods = [line["method"] for line in reaper.logged("act", pod=name)]

    assert (pod["status"]["phase"], state_of(pod, "base")["terminated"]["exitCode"]) == (phase, code)
    assert methods == (["quit"] if behaviour is Behaviour.AS_ISTIO else ["quit", "deadline"])
    assert bystander.log(name) == RAN


def test_the_kernels_reason_stays(reaper: ControllerProcess, bystander: PodNamespace) -> None:
    assert reaper.logged("act", pod="out-of-memory", outcome="accepted")
    assert state_of(bystander.pod("out-of-memory"), "base")["terminated"]["reason"] == "OOMKilled"


def test_a_pod_ends_soon_after_its_grace(reaper: ControllerProcess, bystander: PodNamespace, measured: list[str]) -> None:
    """The figure is in the summary of the run: it is no claim of a test, since it depends on the machine."""
    assert reaper.logged("act", pod="out-of-memory")
    end, ended = bystander.end("out-of-memory"), bystander.when("out-of-memory", lambda one: one.terminated("base") is not None, "ended")
    measured.append(
        f"{end.seconds - ended.seconds:7.1f} s from a task's OOM to its pod's end by the reaper, {GRACE_SECONDS} s of them grace"
    )


def test_a_pod_whose_uploader_works_on_ends_after_it(reaper: ControllerProcess, bystander: PodNamespace) -> None:
    pod = bystander.pod("after-its-upload")
    ends = {name: at(state_of(pod, name)["terminated"]["finishedAt"]) for name in ("uploader", "istio-proxy")}
    assert pod["status"]["phase"] == "Succeeded"
    assert ends["uploader"] <= ends["istio-proxy"]
    assert [line["outcome"] for line in reaper.logged("act", pod="after-its-upload")] == ["accepted"]


def at(moment: Any) -> datetime:
    return datetime.fromisoformat(moment)


def test_what_must_run_on_runs_on(reaper: ControllerProcess, untouched: list[str], bystander: PodNamespace) -> None:
    assert [line for line in reaper.logged("act") if line["pod"] in untouched] == []
    running = {name: "running" in state_of(bystander.pod(name), "istio-proxy") for name in untouched}
    assert running == dict.fromkeys(untouched, True)


def test_each_end_is_told(reaper: ControllerProcess) -> None:
    reaper.until_logged("pod", pod="fails", notice="TaskPodEnded")
    reaper.until_logged("pod", pod="refused", notice="TaskPodDeadlineSet")
