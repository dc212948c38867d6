"""Whatever the sidecar does, the pod reports the task's exit code, and ends if its sidecar can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook.core.names import WAIT_SECONDS_ANNOTATION, WHEN_NOT_READY_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace

SAY = "airflow-sidecar-webhook: sidecar istio-proxy"
RAN = "the task ran\n"
BRIEFLY = {WAIT_SECONDS_ANNOTATION: "5"}
"""Long enough for the proxy's container to start on a busy machine: before that, it cannot take a quit request."""

RUN = {WHEN_NOT_READY_ANNOTATION: "run"}


class SidecarCase(NamedTuple):
    """A sidecar, what the pod says of it, and how its task ends: code, whether it ran, our line on stderr."""

    behaviour: Behaviour
    annotations: dict[str, str]
    code: int
    line: str = ""
    ran: bool = True
    ready_after_seconds: float = 0.0


ENDING = {
    "as-istio": SidecarCase(Behaviour.AS_ISTIO, {}, 3),
    "reply-lost": SidecarCase(Behaviour.REPLY_LOST, {}, 3),
    "late-listener": SidecarCase(Behaviour.LATE_LISTENER, {}, 3, ready_after_seconds=1.0),
    "never-ready": SidecarCase(
        Behaviour.NEVER_READY,
        BRIEFLY,
        69,
        "was not ready after 5 s: the task was not started. Read the log of container istio-proxy",
        ran=False,
    ),
    "never-ready-run": SidecarCase(
        Behaviour.NEVER_READY, BRIEFLY | RUN, 3, "was not ready after 5 s: the task runs anyway. Read the log of container istio-proxy"
    ),
    "dies-before": SidecarCase(
        Behaviour.DIES_BEFORE_READY,
        {},
        69,
        "stopped before it was ready (it refuses connections): the task was not started. Read the log of container istio-proxy",
        ran=False,
    ),
    "dies-before-run": SidecarCase(
        Behaviour.DIES_BEFORE_READY,
        RUN,
        3,
        "stopped before it was ready (it refuses connections): the task runs anyway. Read the log of container istio-proxy",
    ),
}
NOT_ACCEPTED = "did not accept POST http://localhost:15020/quitquitquit ({}), so the pod may stay Running until it is deleted"
STAYING = {
    "quit-fails": SidecarCase(Behaviour.QUIT_FAILS, {}, 3, NOT_ACCEPTED.format("500")),
    "quit-hangs": SidecarCase(Behaviour.QUIT_HANGS, {}, 3, NOT_ACCEPTED.format("no answer")),
    # It was ready before, so the wrapper takes a refused connection for a stopped sidecar.
    "quit-refused": SidecarCase(Behaviour.QUIT_REFUSED, {}, 3),
}
CASES = ENDING | STAYING
DIES_DURING = "dies-during"
NOT_WAITED_FOR = "late-and-not-waited-for"
LATE_SECONDS = 8.0


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, task_image: str, agent_image: str) -> Iterator[None]:
    """All pods; those that would run for ever are deleted in the end, whichever tests ran."""
    for name, case in CASES.items():
        proxy = stand_in_proxy(agent_image, case.behaviour, case.ready_after_seconds)
        base = shell(task_image, "echo the task ran; exit 3")
        namespace.create(operator_pod(namespace.name, name, base, proxy, annotations=case.annotations))
    base = shell(task_image, "killall -USR1 python3 && while pidof python3; do sleep 0.1; done >/dev/null; exit 3")
    proxy = stand_in_proxy(agent_image, Behaviour.DIES_ON_SIGNAL)
    namespace.create(operator_pod(namespace.name, DIES_DURING, base, proxy, shareProcessNamespace=True))
    late = stand_in_proxy(agent_image, Behaviour.LATE_LISTENER, LATE_SECONDS)
    namespace.create(
        operator_pod(namespace.name, NOT_WAITED_FOR, shell(task_image, "exit 3"), late, annotations={WAIT_SECONDS_ANNOTATION: "0"})
    )
    yield
    for name in STAYING:
        namespace.delete(name, 1)


@pytest.mark.parametrize("name", ENDING)
def test_a_pod_ends_with_the_right_code(namespace: PodNamespace, name: str) -> None:
    ended = namespace.end(name).terminated("base")
    assert ended
    assert (ended["exitCode"], ended["reason"]) == (CASES[name].code, "Error")


@pytest.mark.parametrize("name", ENDING)
def test_the_sidecar_of_a_pod_that_ended_did_so_with_0(namespace: PodNamespace, name: str) -> None:
    proxy = namespace.end(name).terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0


@pytest.mark.parametrize("name", STAYING)
def test_a_sidecar_that_cannot_be_ended_takes_nothing_from_the_tasks_end(namespace: PodNamespace, name: str) -> None:
    assert namespace.base_end(name)["exitCode"] == CASES[name].code


@pytest.mark.parametrize("name", CASES)
def test_stdout_is_the_tasks_and_on_stderr_is_at_most_one_line_that_says_what_is_wrong(namespace: PodNamespace, name: str) -> None:
    case = CASES[name]
    namespace.base_end(name)
    assert namespace.outputs(name) == {"stdout": RAN if case.ran else "", "stderr": f"{SAY} {case.line}\n" if case.line else ""}


def test_a_sidecar_that_dies_under_the_task_is_no_failure(namespace: PodNamespace) -> None:
    end = namespace.end(DIES_DURING)
    base, proxy = end.terminated("base"), end.terminated("istio-proxy")
    assert base
    assert proxy
    assert (base["exitCode"], proxy["exitCode"]) == (3, 0)
    assert namespace.outputs(DIES_DURING) == {"stdout": "", "stderr": ""}
    assert "/quitquitquit" not in namespace.log(DIES_DURING, "istio-proxy")


def test_a_sidecar_that_comes_up_seconds_after_a_task_that_did_not_wait_gets_a_quit_request(namespace: PodNamespace) -> None:
    end = namespace.end(NOT_WAITED_FOR)
    base, proxy = end.terminated("base"), end.terminated("istio-proxy")
    assert base
    assert proxy
    assert (base["exitCode"], proxy["exitCode"]) == (3, 0)
    assert namespace.outputs(NOT_WAITED_FOR)["stderr"] == ""


@pytest.mark.parametrize("name", STAYING)
def test_a_pod_that_a_sidecar_keeps_running_goes_when_it_is_deleted_and_the_tasks_code_is_still_reported(
    namespace: PodNamespace, name: str
) -> None:
    namespace.base_end(name)
    assert namespace.pod(name)["status"]["phase"] == "Running"
    namespace.delete(name, 10)
    base = namespace.gone(name).terminated("base")
    assert base
    assert base["exitCode"] == CASES[name].code
