"""The controller on a real kubelet: each pod that it may end ends after its grace, and what it must not touch runs on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.stand_in_istio_agent import Behaviour
from testbed.wait import until
from tests.e2e.node.left_pods import LABEL_ONLY
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.pods import ONCE_READY, executor_pod, shell, stand_in_proxy
from tests.e2e.node.untouched_pods import NAMES
from tests.e2e.reaper_process import watching_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.node.untouched_pods import UntouchedPods
    from tests.e2e.reaper_process import ControllerProcess
    from tests.support.json_object import JSONObject

GRACE_SECONDS: Final = 2
LIMIT: Final = {"limits": {"memory": "32Mi"}}
RAN: Final = "the task ran\n"
WATCHED_SECONDS: Final = 120
"""Long over in a run of the whole folder: the tests of the passes come first."""

ENDING: Final[dict[str, tuple[str, Behaviour, int, str]]] = {
    "succeeds": ("echo the task ran; exit 0", Behaviour.AS_ISTIO, 0, "Succeeded"),
    "fails": ("echo the task ran; exit 3", Behaviour.AS_ISTIO, 3, "Failed"),
    "killed": ("echo the task ran; exit 137", Behaviour.AS_ISTIO, 137, "Failed"),
    "out-of-memory": ("echo the task ran; exec tail /dev/zero", Behaviour.AS_ISTIO, 137, "Failed"),
    "refused": ("echo the task ran; exit 3", Behaviour.QUIT_FAILS, 3, "Failed"),
}
"""The task, what its proxy does, the exit code of the task, and the phase in which the pod ends."""


@pytest.fixture(scope="module")
def reaper(bystander: PodNamespace, task_image: str, agent_image: str) -> Iterator[ControllerProcess]:
    """A controller that has ended what it may end, of pods that the webhook has never seen."""
    options = ("-n", bystander.name, "--lease", bystander.name, "--unmarked", "--grace", str(GRACE_SECONDS))
    with watching_reaper(bystander.level, "reaper", bystander.level.server.kubeconfig, *options) as reaper:
        reaper.until_logged("lease taken")
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


def state_of(pod: JSONObject, container: str) -> JSONObject:
    (state,) = [one["state"] for one in pod["status"]["containerStatuses"] if one["name"] == container]
    found: JSONObject = state
    return found


def methods_on(pod: str, reaper: ControllerProcess) -> list[str]:
    """The methods of the acts on a pod so far, in their order; an attempt that a busy machine fails is repeated."""
    return [*dict.fromkeys(line["method"] for line in reaper.logged("act", pod=pod))]


@pytest.mark.parametrize("name", ENDING)
def test_a_pod_ends_with_the_exit_code_and_the_log_of_its_task(name: str, reaper: ControllerProcess, bystander: PodNamespace) -> None:
    _, behaviour, code, phase = ENDING[name]
    pod = bystander.pod(name)
    methods = ["quit"] if behaviour is Behaviour.AS_ISTIO else ["quit", "deadline"]

    assert (pod["status"]["phase"], state_of(pod, "base")["terminated"]["exitCode"]) == (phase, code)
    until(lambda: methods_on(name, reaper) == methods, f"the acts on {name} are {methods}", SECONDS)
    assert bystander.log(name) == RAN


def test_the_kernels_reason_stays(reaper: ControllerProcess, bystander: PodNamespace) -> None:
    reaper.until_logged("act", pod="out-of-memory", method="quit")
    assert state_of(bystander.pod("out-of-memory"), "base")["terminated"]["reason"] == "OOMKilled"


def test_a_pod_ends_soon_after_its_grace(reaper: ControllerProcess, bystander: PodNamespace, measured: list[str]) -> None:
    """The figure is in the summary of the run: it is no claim of a test, since it depends on the machine."""
    reaper.until_logged("act", pod="out-of-memory")
    end, ended = bystander.end("out-of-memory"), bystander.when("out-of-memory", lambda one: one.terminated("base") is not None, "ended")
    measured.append(
        f"{end.seconds - ended.seconds:7.1f} s from a task's OOM to its pod's end by the reaper, {GRACE_SECONDS} s of them grace"
    )


def test_a_pod_whose_uploader_works_on_ends_after_it(reaper: ControllerProcess, bystander: PodNamespace) -> None:
    pod = bystander.pod("after-its-upload")
    ends = {name: at(state_of(pod, name)["terminated"]["finishedAt"]) for name in ("uploader", "istio-proxy")}
    assert pod["status"]["phase"] == "Succeeded"
    assert ends["uploader"] <= ends["istio-proxy"]
    reaper.until_logged("act", pod="after-its-upload", method="quit")


def at(moment: Any) -> datetime:
    return datetime.fromisoformat(moment)


def test_what_must_not_be_touched_runs_on_for_minutes_beside_a_pod_that_ends(
    untouched: UntouchedPods, unsparing_reaper: ControllerProcess, task_image: str, agent_image: str
) -> None:
    untouched.wait_until_watched_for(WATCHED_SECONDS)
    due = executor_pod(untouched.place.name, "due", shell(task_image, f"{ONCE_READY}; exit 0"), stand_in_proxy(agent_image))
    due["metadata"]["annotations"] |= LABEL_ONLY
    untouched.place.create(due)

    assert untouched.place.end("due").phase == "Succeeded"
    unsparing_reaper.until_logged("act", pod="due")
    assert {line["pod"] for line in unsparing_reaper.logged("act")} == {"due"}
    for name in NAMES:
        untouched.assert_untouched(name)


def test_each_end_is_told(reaper: ControllerProcess) -> None:
    reaper.until_logged("pod", pod="fails", notice="TaskPodEnded")
    reaper.until_logged("pod", pod="refused", notice="TaskPodDeadlineSet")
