"""Deleting a pod ends its task as without us: TERM first, KILL at the end of the grace period."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import Namespace

LONG_SECONDS = 60
SHORT_SECONDS = 3


class Case(NamedTuple):
    """A task that runs until its pod is deleted with this grace period, and its code: in a wrapped pod, and without us."""

    script: str
    grace_seconds: int
    code: int
    code_alone: int


CASES = {
    "handles": Case("trap 'echo ended by TERM; exit 7' TERM; echo up; sleep 600 & wait", LONG_SECONDS, 7, 7),
    "ignores": Case("trap '' TERM; echo up; sleep 600", SHORT_SECONDS, 137, 137),
    # Without us it is PID 1, which no signal ends that it does not handle.
    "does-not-care": Case("echo up; exec sleep 600", SHORT_SECONDS, 143, 137),
}
WAITING = "waits-for-its-sidecar"


@pytest.fixture(scope="module", autouse=True)
def _deleted(namespace: Namespace, bystander: Namespace, task_image: str, agent_image: str) -> None:
    """All of them: created, up, and their deletion asked for."""
    for name, case in CASES.items():
        base = shell(task_image, case.script)
        namespace.create(operator_pod(namespace.name, name, base, stand_in_proxy(agent_image)))
        bystander.create(operator_pod(bystander.name, name, base))
    never = stand_in_proxy(agent_image, Behaviour.NEVER_READY)
    namespace.create(operator_pod(namespace.name, WAITING, shell(task_image, "echo up"), never))
    for name, case in CASES.items():
        for place in (namespace, bystander):
            place.wait_for_log(name, "up")
            place.delete(name, case.grace_seconds)
    namespace.wait_for_log(WAITING, "/healthz/ready", "istio-proxy")
    namespace.delete(WAITING, LONG_SECONDS)


def code_of(namespace: Namespace, pod: str) -> int:
    """The code that the API server told of a deleted pod's task, before the pod was gone."""
    base = namespace.gone(pod).terminated("base")
    assert base
    return int(base["exitCode"])


def seconds_to_end(namespace: Namespace, pod: str) -> float:
    """From the deletion that was asked for until the task's end was told."""
    asked = namespace.when(pod, lambda moment: "deletionTimestamp" in moment.pod["metadata"], "is to go").seconds
    return namespace.when(pod, lambda moment: moment.terminated("base") is not None, "has a base that ended").seconds - asked


@pytest.mark.parametrize("name", CASES)
def test_a_task_ends_with_the_code_that_its_own_handling_of_term_gives(namespace: Namespace, bystander: Namespace, name: str) -> None:
    assert (code_of(namespace, name), code_of(bystander, name)) == (CASES[name].code, CASES[name].code_alone)


def test_a_task_that_handles_term_ends_long_before_the_grace_period(namespace: Namespace) -> None:
    assert seconds_to_end(namespace, "handles") < LONG_SECONDS / 2


def test_a_task_that_ignores_term_has_its_whole_grace_period(namespace: Namespace, bystander: Namespace) -> None:
    assert seconds_to_end(namespace, "ignores") >= SHORT_SECONDS
    assert seconds_to_end(bystander, "ignores") >= SHORT_SECONDS


def test_a_pod_that_is_deleted_while_it_waits_ends_at_once_with_143(namespace: Namespace) -> None:
    assert code_of(namespace, WAITING) == 143
    assert seconds_to_end(namespace, WAITING) < LONG_SECONDS / 2


@pytest.mark.parametrize("name", [*CASES, WAITING])
def test_the_sidecar_of_a_deleted_pod_ends_with_0(namespace: Namespace, name: str) -> None:
    proxy = namespace.gone(name).terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0
