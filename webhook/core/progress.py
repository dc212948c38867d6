"""How far a task pod has come: whether its task has ended, and which containers keep the pod Running since.

A pod without a status has not begun. Times are the kubelet's, in whole seconds; what they are compared with is the caller's clock.
Native sidecars are not read: the kubelet ends them after the last regular container.

The reaper keeps what is read here of every pod that stays Running. Whoever may change a pod may write texts of a megabyte into it, so each
text and each list of names is cut.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from webhook.core import names
from webhook.core.catalogue import FoundSidecar
from webhook.core.condition import MAX_IMAGE_CHARACTERS
from webhook.core.decision import MAX_CONTAINERS
from webhook.core.earlier_status import RecordedStatus, read_recorded_status
from webhook.core.errors import MalformedPodError
from webhook.core.facts import read_facts
from webhook.core.origin import PodOrigin
from webhook.core.pod import MAX_ID_CHARACTERS, encode_pod, read_pod
from webhook.core.pod_options import Mode
from webhook.core.restart import is_started_again
from webhook.core.sidecar import StopSignal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.core.catalogue import Catalogue
    from webhook.core.facts import Facts
    from webhook.core.pod import Container


MAX_LIVE_CONTAINERS: Final = 2 * MAX_CONTAINERS
"""A pod with more is not read: one of 1,000 takes 0.1 s for each event. The webhook takes `MAX_CONTAINERS`; injectors add some."""

MAX_REASON_CHARACTERS: Final = 64
"""Of the reason for which a container ended: the kubelet's are shorter."""

_USUAL_ID: Final = re.compile(r"[-\w:/.]{0,100}", re.ASCII)
"""A container's id, as all runtimes make it: ``containerd://`` and 64 characters."""


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
        id: The container's id, or what stands for an unusual one: one that is started again has another.
        stop_signal: The signal that ends it, where it is a known sidecar.
        is_started_again: Whether the kubelet starts it again after exit code 0.

    """

    name: str
    kind: ContainerKind
    started_at: datetime | None
    sidecar: FoundSidecar | None = None
    id: str = ""
    stop_signal: StopSignal | None = None
    is_started_again: bool = False


class Progress(msgspec.Struct, frozen=True):
    """How far a pod of Airflow's has come that is meant to end.

    Args:
        namespace: Its namespace.
        name: Its name.
        uid: Its uid: a pod of the same name that is created later has another.
        resource_version: Of the pod as it was read.
        origin: What of Airflow's created it.
        dag: The id of its DAG, as Airflow wrote it on the pod, at most `MAX_ID_CHARACTERS`; empty where it did not.
        task: The id of its task, likewise.
        phase: The phase in its status.
        is_being_deleted: Whether somebody has deleted it already.
        is_marked: Whether it carries this webhook's status.
        recorded: What people read of that status.
        main: The container that holds the task; None: it could not be identified.
        main_image: Its image, at most `MAX_IMAGE_CHARACTERS`; empty where it is not known.
        task_end: How the task ended; None: it has not, or its container is to be started again.
        is_task_restarted: Whether the kubelet starts the task's container, or one that may be it, again.
        running: The regular containers beside the task's that run, in the pod's order.
        waiting: Names of the regular containers that the kubelet has yet to start, for the first time or again.
        without_status: Names of the regular containers whose state the kubelet has not reported.
        debug_containers: Names of the ephemeral containers that have not ended: somebody debugs the pod.
        work_ended_at: When the last of the containers that are no sidecars ended; None: one has not, or the kubelet does not say.
        ended_at: When the last regular container ended; None: the pod has not ended, or the kubelet does not say.
        reported_at: When the kubelet last wrote the pod's status, on the API server's clock; None: ``managedFields`` do not say.
        started_at: When the kubelet accepted the pod; None: it has not.
        active_deadline_seconds: The pod's ``activeDeadlineSeconds``, counted from `started_at`.
        restart_policy: The pod's.
        uses_host_network: Whether its loopback is the node's.
        shares_processes: Whether process 1 of its containers is that of the pod (shareProcessNamespace) or of the node (hostPID).
        mode: What the pod's own annotation says; None: nothing.

    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    origin: PodOrigin
    dag: str
    task: str
    phase: str
    is_being_deleted: bool
    is_marked: bool
    recorded: RecordedStatus
    main: str | None
    main_image: str
    task_end: TaskEnd | None
    is_task_restarted: bool
    running: tuple[RunningContainer, ...]
    waiting: tuple[str, ...]
    without_status: tuple[str, ...]
    debug_containers: tuple[str, ...]
    work_ended_at: datetime | None
    ended_at: datetime | None
    reported_at: datetime | None
    started_at: datetime | None
    active_deadline_seconds: int | None
    restart_policy: str
    uses_host_network: bool
    shares_processes: bool
    mode: Mode | None

    @property
    def outlives_task(self) -> bool:
        """Whether the task has ended, and the pod has not and is not being deleted."""
        return self.task_end is not None and self.phase not in ENDED_PHASES and not self.is_being_deleted

    @property
    def unfinished(self) -> tuple[RunningContainer, ...]:
        """The containers that alone keep the pod Running, since `task_end`; empty while the task runs, and once the pod has ended."""
        return self.running if self.outlives_task and self.phase == "Running" else ()


_Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""One with its zone, as the API server writes each: no other can be compared with a clock."""


class _Terminated(msgspec.Struct):
    exitCode: int = 0  # noqa: N815  the API's own name
    reason: str = ""
    finishedAt: _Time | None = None  # noqa: N815  the API's own name


class _Running(msgspec.Struct):
    startedAt: _Time | None = None  # noqa: N815  the API's own name


class _ContainerState(msgspec.Struct):
    running: _Running | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(msgspec.Struct):
    name: str
    state: _ContainerState = msgspec.field(default_factory=_ContainerState)
    containerID: str = ""  # noqa: N815  the API's own name


class _PodStatus(msgspec.Struct):
    phase: str = ""
    startTime: _Time | None = None  # noqa: N815  the API's own name
    containerStatuses: tuple[_ContainerStatus, ...] | None = None  # noqa: N815  the API's own name
    ephemeralContainerStatuses: tuple[_ContainerStatus, ...] | None = None  # noqa: N815  the API's own name


class _FieldsManager(msgspec.Struct):
    manager: str = ""
    subresource: str = ""
    time: _Time | None = None


class _ObjectMetadata(msgspec.Struct):
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815  the API's own name
    deletionTimestamp: str | None = None  # noqa: N815  the API's own name
    managedFields: tuple[_FieldsManager, ...] | None = None  # noqa: N815  the API's own name


class _EphemeralContainer(msgspec.Struct):
    name: str


class _LiveSpec(msgspec.Struct):
    activeDeadlineSeconds: int | None = None  # noqa: N815  the API's own name
    shareProcessNamespace: bool | None = None  # noqa: N815  the API's own name
    hostPID: bool | None = None  # noqa: N815  the API's own name
    ephemeralContainers: tuple[_EphemeralContainer, ...] | None = None  # noqa: N815  the API's own name


class _PodWithStatus(msgspec.Struct):
    metadata: _ObjectMetadata
    spec: _LiveSpec = msgspec.field(default_factory=_LiveSpec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)

    def statuses(self) -> dict[str, _ContainerStatus]:
        """The status of each regular container, by name."""
        return {one.name: one for one in self.status.containerStatuses or ()}

    def reported_at(self) -> datetime | None:
        """When the kubelet last wrote the status."""
        writers = [one for one in self.metadata.managedFields or () if (one.manager, one.subresource) == ("kubelet", "status")]
        return max((one.time for one in writers if one.time is not None), default=None)

    def ended_at(self) -> datetime | None:
        """When the last regular container ended, if the pod has."""
        if self.status.phase not in ENDED_PHASES:
            return None
        ends = [one.state.terminated for one in self.status.containerStatuses or ()]
        return _latest([None if end is None else end.finishedAt for end in ends])

    def debug_containers(self) -> tuple[str, ...]:
        """Names of the ephemeral containers that have not ended."""
        ended = {one.name for one in self.status.ephemeralContainerStatuses or () if one.state.terminated is not None}
        return tuple([one.name for one in self.spec.ephemeralContainers or () if one.name not in ended])


ENDED_PHASES: Final = frozenset({"Succeeded", "Failed"})
"""Phases of pods that nothing keeps Running any more."""

_WITH_STATUS: Final = msgspec.json.Decoder(_PodWithStatus)


def read_progress(pod: Mapping[str, Any] | bytes, catalogue: Catalogue) -> Progress | None:
    """The progress of a pod as the API server returns it; None: the reaper has nothing to do with it.

    It is not Airflow's, is not meant to end (restartPolicy Always), or has more than `MAX_LIVE_CONTAINERS` containers.

    Raises:
        MalformedPodError: It is no pod by the Pod API's types.

    """
    data = pod if isinstance(pod, bytes) else encode_pod(pod)
    bare = read_pod(data)
    if len(bare.spec.containers) + len(bare.init_containers) > MAX_LIVE_CONTAINERS:
        return None
    facts = read_facts(bare, catalogue)
    spec = facts.pod.spec
    if facts.origin is None or spec.restartPolicy is None or spec.restartPolicy == "Always":
        return None
    try:
        live = _WITH_STATUS.decode(data)
    except msgspec.ValidationError as problem:
        raise MalformedPodError(str(problem)) from problem
    main, statuses = facts.main_container, live.statuses()
    return Progress(
        namespace=facts.pod.metadata.namespace or "",
        name=facts.pod.shown_name,
        uid=live.metadata.uid,
        resource_version=live.metadata.resourceVersion,
        origin=facts.origin,
        dag=facts.pod.dag_id[:MAX_ID_CHARACTERS],
        task=facts.pod.task_id[:MAX_ID_CHARACTERS],
        phase=live.status.phase,
        is_being_deleted=live.metadata.deletionTimestamp is not None,
        is_marked=names.STATUS_ANNOTATION in facts.pod.annotations,
        recorded=read_recorded_status(facts.pod.annotations),
        main=main.name if main else None,
        main_image=((main.image if main else None) or "")[:MAX_IMAGE_CHARACTERS],
        task_end=_task_end(facts, statuses),
        is_task_restarted=any(_is_awaited(container, facts, statuses) for container in _possible_mains(facts)),
        running=tuple(_running(facts, statuses)),
        waiting=tuple([container.name for container in spec.containers if _is_awaited(container, facts, statuses)])[:MAX_CONTAINERS],
        without_status=tuple([name for name in spec.container_names if name not in statuses])[:MAX_CONTAINERS],
        debug_containers=live.debug_containers()[:MAX_CONTAINERS],
        work_ended_at=_work_ended_at(facts, statuses),
        ended_at=live.ended_at(),
        reported_at=live.reported_at(),
        started_at=live.status.startTime,
        active_deadline_seconds=live.spec.activeDeadlineSeconds,
        restart_policy=spec.restartPolicy,
        uses_host_network=spec.hostNetwork is True,
        shares_processes=live.spec.shareProcessNamespace is True or live.spec.hostPID is True,
        mode=facts.options.mode,
    )


def may_stay_running(pod: Mapping[str, Any] | bytes, catalogue: Catalogue) -> bool:
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


def _task_end(facts: Facts, statuses: dict[str, _ContainerStatus]) -> TaskEnd | None:
    """The end of the main container; where several may be it, their end once all of them have ended: the failed one's, else the last."""
    ends = [_end_of(container, facts, statuses) for container in _possible_mains(facts)]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return None
    worst = next((end for end in known if end.exit_code != 0), known[0])
    return TaskEnd(worst.exit_code, worst.reason, _latest([end.finished_at for end in known]))


def _possible_mains(facts: Facts) -> list[Container]:
    """The main container; where it could not be identified, each that may be it."""
    main = facts.main_container
    return [main] if main else [container for container in facts.pod.spec.containers if container.name in facts.others]


def _is_awaited(container: Container, facts: Facts, statuses: dict[str, _ContainerStatus]) -> bool:
    """Whether it neither runs nor has ended for good: the kubelet starts it, for the first time or again."""
    status = statuses.get(container.name)
    return status is not None and status.state.running is None and _end_of(container, facts, statuses) is None


def _end_of(container: Container, facts: Facts, statuses: dict[str, _ContainerStatus]) -> TaskEnd | None:
    status = statuses.get(container.name)
    if status is None or status.state.terminated is None:
        return None
    ended = status.state.terminated
    if is_started_again(container, facts.pod.spec.restartPolicy, ended.exitCode):
        return None
    return TaskEnd(ended.exitCode, ended.reason[:MAX_REASON_CHARACTERS], ended.finishedAt)


def _work_ended_at(facts: Facts, statuses: dict[str, _ContainerStatus]) -> datetime | None:
    sidecars = {sidecar.name for sidecar in facts.sidecars if not sidecar.is_one_time}
    work = [container for container in facts.pod.spec.containers if container.name not in sidecars]
    ends = [_end_of(container, facts, statuses) for container in work]
    return _latest([None if end is None else end.finished_at for end in ends])


def _latest(times: list[datetime | None]) -> datetime | None:
    """The latest of these; None: one of them is not known."""
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _running(facts: Facts, statuses: dict[str, _ContainerStatus]) -> Iterator[RunningContainer]:
    sidecars = {sidecar.name: sidecar for sidecar in facts.sidecars}
    main = facts.main_container
    for container in facts.pod.spec.containers:
        status = statuses.get(container.name)
        if container is main or status is None or status.state.running is None:
            continue
        row = facts.rows.get(container.name)
        yield RunningContainer(
            name=container.name,
            kind=_kind(facts, container.name),
            started_at=status.state.running.startedAt,
            sidecar=sidecars.get(container.name),
            id=_bounded_id(status.containerID),
            stop_signal=row.stop_signal if row else None,
            is_started_again=is_started_again(container, facts.pod.spec.restartPolicy, 0),
        )


def _bounded_id(written: str) -> str:
    """The id, or its digest: the reaper's memory of all pods has little room, and who may write a status can write an id of any size."""
    return written if _USUAL_ID.fullmatch(written) else hashlib.blake2s(written.encode()).hexdigest()


def _kind(facts: Facts, name: str) -> ContainerKind:
    if name == names.XCOM_CONTAINER:
        return ContainerKind.XCOM
    if name in facts.outlasting:
        return ContainerKind.OUTLIVES_TASK
    row = facts.rows.get(name)
    if row is None or name in facts.placeholders:
        return ContainerKind.UNKNOWN
    return ContainerKind.OUTLIVES_TASK if row.must_outlive_task or row.works_after_task else ContainerKind.SIDECAR
