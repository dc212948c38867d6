"""Deleting a wrapped pod ends its task as in an unpatched pod: TERM first, KILL at the end of the grace period."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace

LONG_SECONDS = 60
SHORT_SECONDS = 3


class DeletionCase(NamedTuple):
    """A task that runs until its pod is deleted, and its exit code: in a wrapped pod, and in an unpatched one."""

    script: str
    code: int
    code_alone: int


KILLED = 137
CASES = {
    "handles": DeletionCase("trap 'echo ended by TERM; exit 7' TERM; echo up; sleep 600 & wait", 7, 7),
    "ignores": DeletionCase("trap '' TERM; echo up; sleep 600", KILLED, KILLED),
    # Unpatched, it is PID 1, which only the signals that it handles end.
    "does-not-care": DeletionCase("echo up; exec sleep 600", 143, KILLED),
}
WAITING = "waits-for-its-sidecar"


@pytest.fixture(scope="module", autouse=True)
def _deleted(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> None:
    """All pods: created, running, and deleted."""
    for name, case in CASES.items():
        base = shell(task_image, case.script)
        namespace.create(operator_pod(namespace.name, name, base, stand_in_proxy(agent_image)))
        bystander.create(operator_pod(bystander.name, name, base))
    never = stand_in_proxy(agent_image, Behaviour.NEVER_READY)
    namespace.create(operator_pod(namespace.name, WAITING, shell(task_image, "echo up"), never))
    for name, case in CASES.items():
        for place, code in ((namespace, case.code), (bystander, case.code_alone)):
            place.wait_for_log(name, "up")
            # Only a task that the kubelet has to kill takes all of its grace period.
            place.delete(name, SHORT_SECONDS if code == KILLED else LONG_SECONDS)
    namespace.wait_for_log(WAITING, "/healthz/ready", "istio-proxy")
    namespace.delete(WAITING, LONG_SECONDS)


def code_of(namespace: PodNamespace, pod: str) -> int:
    """The exit code of a deleted pod's task, from the pod's last status."""
    base = namespace.gone(pod).terminated("base")
    assert base
    return int(base["exitCode"])


def seconds_to_end(namespace: PodNamespace, pod: str) -> float:
    """From the deletion request to the task's end, by their watch events."""
    requested = namespace.when(pod, lambda moment: "deletionTimestamp" in moment.pod["metadata"], "is to go").seconds
    return namespace.when(pod, lambda moment: moment.terminated("base") is not None, "has a base that ended").seconds - requested


@pytest.mark.parametrize("name", CASES)
def test_a_task_ends_with_the_code_that_its_own_handling_of_term_gives(namespace: PodNamespace, bystander: PodNamespace, name: str) -> None:
    assert (code_of(namespace, name), code_of(bystander, name)) == (CASES[name].code, CASES[name].code_alone)


def test_a_task_that_handles_term_ends_long_before_the_grace_period(namespace: PodNamespace) -> None:
    assert seconds_to_end(namespace, "handles") < LONG_SECONDS / 2


def test_a_task_that_ignores_term_has_its_whole_grace_period(namespace: PodNamespace, bystander: PodNamespace) -> None:
    assert seconds_to_end(namespace, "ignores") >= SHORT_SECONDS
    assert seconds_to_end(bystander, "ignores") >= SHORT_SECONDS


def test_a_pod_that_is_deleted_while_it_waits_ends_at_once_with_143(namespace: PodNamespace) -> None:
    assert code_of(namespace, WAITING) == 143
    assert seconds_to_end(namespace, WAITING) < LONG_SECONDS / 2


@pytest.mark.parametrize("name", [*CASES, WAITING])
def test_the_sidecar_of_a_deleted_pod_ends_with_0(namespace: PodNamespace, name: str) -> None:
    proxy = namespace.gone(name).terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0
