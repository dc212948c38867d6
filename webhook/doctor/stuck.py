"""Pods that are stuck already: the task has ended, a known sidecar runs on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core.facts import read_facts
from webhook.core.pod import Pod

if TYPE_CHECKING:
    from webhook.core.facts import Facts
    from webhook.core.sidecar import Catalogue

GRACE: Final = timedelta(minutes=3)
"""The longest drain of a known sidecar, Linkerd's, takes two minutes: until then a pod is ending, not stuck."""


class _Terminated(msgspec.Struct):
    exitCode: int = 0  # noqa: N815  the API's own name
    finishedAt: datetime | None = None  # noqa: N815  the API's own name


class _State(msgspec.Struct):
    running: Any = None
    terminated: _Terminated | None = None


class _ContainerStatus(msgspec.Struct):
    name: str
    state: _State = msgspec.field(default_factory=_State)


class _Status(msgspec.Struct):
    phase: str = ""
    containerStatuses: tuple[_ContainerStatus, ...] | None = None  # noqa: N815  the API's own name


class _Metadata(msgspec.Struct):
    deletionTimestamp: str | None = None  # noqa: N815  the API's own name


class _Course(msgspec.Struct):
    """The part of a pod that says how far it has come."""

    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def is_under_way(self) -> bool:
        return self.status.phase == "Running" and self.metadata.deletionTimestamp is None

    def states(self) -> dict[str, _State]:
        return {one.name: one.state for one in self.status.containerStatuses or ()}


class TaskPod(msgspec.Struct, frozen=True):
    """A pod of Airflow's, as far as it has come.

    Args:
        name: Its name.
        is_stuck: Whether its task has ended for some minutes while a known sidecar runs on.

    """

    name: str
    is_stuck: bool


def read_task_pod(data: bytes | msgspec.Raw, catalogue: Catalogue, now: datetime) -> TaskPod | None:
    """A pod of the API's; None: it is not Airflow's, or is not meant to end."""
    facts = read_facts(msgspec.json.decode(data, type=Pod), catalogue)
    if facts.origin is None or facts.pod.spec.restartPolicy in {None, "Always"}:
        return None
    return TaskPod(facts.pod.shown_name, _is_stuck(facts, msgspec.json.decode(data, type=_Course), now))


def _is_stuck(facts: Facts, course: _Course, now: datetime) -> bool:
    main, states = facts.main_container, course.states()
    if main is None or not course.is_under_way:
        return False
    ended = states.get(main.name, _State()).terminated
    if ended is None or (ended.exitCode and facts.pod.spec.restartPolicy == "OnFailure"):
        return False
    is_over = ended.finishedAt is None or now - ended.finishedAt > GRACE
    return is_over and any(states.get(sidecar.name, _State()).running is not None for sidecar in facts.sidecars)
