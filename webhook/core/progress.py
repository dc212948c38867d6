"""How far a task pod has come: whether its task has ended, and which containers keep the pod Running since.

A pod without a status has not begun. Times are the kubelet's, in whole seconds; what they are compared with is the caller's clock.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import names
from webhook.core.catalogue import FoundSidecar
from webhook.core.earlier_status import EarlierStatus, read_earlier_status
from webhook.core.errors import MalformedPodError
from webhook.core.facts import read_facts
from webhook.core.origin import PodOrigin
from webhook.core.pod import encode_pod, read_pod

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.core.catalogue import Catalogue
    from webhook.core.facts import Facts
    from webhook.core.pod import Container


class ContainerKind(StrEnum):
    """What a container beside the task is."""

    SIDECAR = "sidecar"
    """A known sidecar, from the catalogue or from the pod's own annotation."""

    XCOM = "xcom"
    """Airflow's ``airflow-xcom-sidecar``: it holds the task's result until Airflow has read it."""

    OUTLIVES_TASK = "outlives-task"
    """A known container that has work to do after the task, or one of which the user says so."""

    UNKNOWN = "unknown"
    """In no catalogue: nothing is known of how it ends."""


class TaskEnd(msgspec.Struct, frozen=True):
    """How the task's container ended. Where several containers may be it: the one that failed, else any, at the time of the last.

    Args:
        exit_code: Its exit code; 128 plus the signal's number for one that a signal ended.
        reason: The kubelet's word, like ``Completed``, ``Error`` or ``OOMKilled``.
        finished_at: When; None where the kubelet does not say.

    """

    exit_code: int
    reason: str
    finished_at: datetime | None


class RunningContainer(msgspec.Struct, frozen=True):
    """A regular container, other than the task's, that runs.

    Args:
        name: Its name.
        kind: What it is.
        started_at: When it started; None where the kubelet does not say.
        sidecar: Its endpoints, where it is a known sidecar.

    """

    name: str
    kind: ContainerKind
    started_at: datetime | None
    sidecar: FoundSidecar | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a pod of Airflow's has come that is meant to end.

    Args:
        namespace: Its namespace.
        name: Its name.
        uid: Its uid: a pod of the same name that is created later has another.
        origin: What of Airflow's created it.
        phase: The phase in its status.
        is_being_deleted: Whether somebody has deleted it already.
        is_marked: Whether it carries this webhook's status.
        recorded: The status that it carries.
        main: The container that holds the task; None: it could not be identified.
        main_image: Its image; empty where it is not known.
        task_end: How the task ended; None: it has not, or its container is to be started again.
        running: The regular containers beside the task's that run, in the pod's order.

    """

    namespace: str
    name: str
    uid: str
    origin: PodOrigin
    phase: str
    is_being_deleted: bool
    is_marked: bool
    recorded: EarlierStatus
    main: str | None
    main_image: str
    task_end: TaskEnd | None
    running: tuple[RunningContainer, ...]

    @property
    def unfinished(self) -> tuple[RunningContainer, ...]:
        """The containers that alone keep the pod Running, since `task_end`; empty while the task runs, and once the pod has ended."""
        has_ended = self.task_end is not None and self.phase == "Running" and not self.is_being_deleted
        return self.running if has_ended else ()


class _Terminated(msgspec.Struct):
    exitCode: int = 0  # noqa: N815  the API's own name
    reason: str = ""
    finishedAt: datetime | None = None  # noqa: N815  the API's own name


class _Running(msgspec.Struct):
    startedAt: datetime | None = None  # noqa: N815  the API's own name


class _ContainerState(msgspec.Struct):
    running: _Running | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(msgspec.Struct):
    name: str
    state: _ContainerState = msgspec.field(default_factory=_ContainerState)


class _PodStatus(msgspec.Struct):
    phase: str = ""
    containerStatuses: tuple[_ContainerStatus, ...] | None = None  # noqa: N815  the API's own name


class _ObjectMetadata(msgspec.Struct):
    uid: str = ""
    deletionTimestamp: str | None = None  # noqa: N815  the API's own name


class _PodWithStatus(msgspec.Struct):
    metadata: _ObjectMetadata
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)

    def states(self) -> dict[str, _ContainerState]:
        """The state of each regular container, by name."""
        return {one.name: one.state for one in self.status.containerStatuses or ()}


ENDED_PHASES: Final = frozenset({"Succeeded", "Failed"})
"""Phases of pods that nothing keeps Running any more."""

_WITH_STATUS: Final = msgspec.json.Decoder(_PodWithStatus)


def read_progress(pod: Mapping[str, Any] | bytes, catalogue: Catalogue) -> Progress | None:
    """The progress of a pod as the API server returns it; None: it is not Airflow's, or is not meant to end (restartPolicy Always).

    Raises:
        MalformedPodError: It is no pod by the Pod API's types.

    """
    data = pod if isinstance(pod, bytes) else encode_pod(pod)
    facts = read_facts(read_pod(data), catalogue)
    if facts.origin is None or facts.pod.spec.restartPolicy in {None, "Always"}:
        return None
    try:
        live = _WITH_STATUS.decode(data)
    except msgspec.ValidationError as problem:
        raise MalformedPodError(str(problem)) from problem
    main, states = facts.main_container, live.states()
    return Progress(
        namespace=facts.pod.metadata.namespace or "",
        name=facts.pod.shown_name,
        uid=live.metadata.uid,
        origin=facts.origin,
        phase=live.status.phase,
        is_being_deleted=live.metadata.deletionTimestamp is not None,
        is_marked=names.STATUS_ANNOTATION in facts.pod.annotations,
        recorded=read_earlier_status(facts.pod.annotations),
        main=main.name if main else None,
        main_image=(main.image if main else None) or "",
        task_end=_task_end(facts, states),
        running=tuple(_running(facts, states)),
    )


def may_be_held_up(pod: Mapping[str, Any] | bytes, catalogue: Catalogue) -> bool:
    """Whether a pod of anybody's has not ended and has a known sidecar, which may keep it Running.

    Raises:
        MalformedPodError: It is no pod by the Pod API's types.

    """
    data = pod if isinstance(pod, bytes) else encode_pod(pod)
    try:
        phase = _WITH_STATUS.decode(data).status.phase
    except msgspec.ValidationError as problem:
        raise MalformedPodError(str(problem)) from problem
    return phase not in ENDED_PHASES and bool(read_facts(read_pod(data), catalogue).sidecars)


def _task_end(facts: Facts, states: dict[str, _ContainerState]) -> TaskEnd | None:
    """The end of the main container; where several may be it, their end once all of them have ended: the failed one's, else the last."""
    main = facts.main_container
    possible = [main] if main else [container for container in facts.pod.spec.containers if container.name in facts.others]
    ends = [_end_of(container, facts, states) for container in possible]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    worst = next((end for end in known if end.exit_code != 0), known[0])
    times = [end.finished_at for end in known if end.finished_at is not None]
    return TaskEnd(worst.exit_code, worst.reason, max(times) if len(times) == len(known) else None)


def _end_of(container: Container, facts: Facts, states: dict[str, _ContainerState]) -> TaskEnd | None:
    state = states.get(container.name)
    if state is None or state.terminated is None:
        return None
    ended = state.terminated
    is_restarted = ended.exitCode != 0 and (container.restartPolicy or facts.pod.spec.restartPolicy) == "OnFailure"
    return None if is_restarted else TaskEnd(ended.exitCode, ended.reason, ended.finishedAt)


def _running(facts: Facts, states: dict[str, _ContainerState]) -> Iterator[RunningContainer]:
    sidecars = {sidecar.name: sidecar for sidecar in facts.sidecars}
    main = facts.main_container
    for container in facts.pod.spec.containers:
        state = states.get(container.name)
        if container is main or state is None or state.running is None:
            continue
        sidecar = sidecars.get(container.name)
        yield RunningContainer(container.name, _kind(facts, container.name), state.running.startedAt, sidecar)


def _kind(facts: Facts, name: str) -> ContainerKind:
    if name == names.XCOM_CONTAINER:
        return ContainerKind.XCOM
    if name in facts.outlasting:
        return ContainerKind.OUTLIVES_TASK
    row = facts.rows.get(name)
    if row is None or name in facts.placeholders:
        return ContainerKind.UNKNOWN
    return ContainerKind.OUTLIVES_TASK if row.must_outlive_task or row.works_after_task else ContainerKind.SIDECAR
