"""What is to be done about a pod now, and why. Pure: the pod as it was read, the policy, the time and the past acts go in.

The rules, in their order; the first that applies decides.

===========================================================  ==========================================================
the pod                                                      what follows
===========================================================  ==========================================================
is not Running, is being deleted, or is switched off         skipped
is in a namespace that has not opted in                      skipped
does not carry the webhook's status                          skipped
has a container without a state, or is being debugged        wait
has a task, a result or another container that works         wait
has had less than its grace since the last of these ended    wait
has a deadline that has passed                               wait: the kubelet ends it
has sidecars that can all be ended with exit code 0          one of them is, in their quit order; then the next
has another sidecar, and its task failed                     the kubelet ends the pod: ``activeDeadlineSeconds``
has another sidecar, and its task succeeded                  left
===========================================================  ==========================================================

Either all sidecars can be ended, or none is: a pod that stays Running all the same gains nothing, and what runs on in it may still need
the mesh to send its last logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import ContainerKind, Mode
from webhook.reaper.act import WITHOUT_ANSWER, Act, ActOutcome, DeadlineAct, ExecAct, Method, PastAct, QuitAct
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.core import FoundSidecar, Progress, RunningContainer

ALL_NAMESPACES: Final = ""
"""Stands for every namespace, as in the Kubernetes API (``NamespaceAll``)."""

DEFAULT_GRACE: Final = timedelta(seconds=30)
"""From the end of the last container that works to the first act.

Longer than the drain of all known sidecars but Linkerd's, for which a second quit request changes nothing.
"""

USUAL_DRAIN: Final = timedelta(seconds=30)
"""From an accepted end to the exit of a sidecar whose catalogue row has no `drain_seconds`: the longest default but Linkerd's."""

DRAIN_MARGIN: Final = timedelta(seconds=5)
"""Until the kubelet reports an exit: it syncs a pod every second, and the status takes its way through the API server."""

FIRST_PAUSE: Final = timedelta(seconds=10)
"""After an attempt without an answer. The next pause is twice as long."""

MOST_ATTEMPTS: Final = 3
"""Attempts without an answer, for one container and one method."""

SELF_END: Final = timedelta(minutes=5)
"""Time in which a sidecar ends by itself after all other containers; gcsfuse checks every 5 s, and then flushes."""

FORGET_AFTER: Final = timedelta(minutes=15)
"""An older act no longer counts: what was refused may have been repaired since."""

MOST_CLOCK_ERROR: Final = timedelta(minutes=5)
"""How far a node's clock may be behind without shortening the grace. Later reports of the kubelet delay an act by at most as long."""

LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
"""A later time in a status counts as this one: whoever may write the status can write any, and a grace still fits behind it."""

MAY_TAKE_EFFECT: Final = frozenset({ActOutcome.ACCEPTED, ActOutcome.BEGUN})
"""Outcomes after which a sidecar has its time to drain."""


@dataclass(frozen=True, slots=True)
class ReaperPolicy:
    """What the reaper may do.

    Args:
        grace: From the end of the last container that worked to the first act.
        unmarked: Whether the reaper also serves pods without the webhook's status.
        methods: The allowed methods.
        end_successful: Whether a deadline may also end a pod whose task succeeded, which is then Failed.
        opted_in: The namespaces that have opted in; None: the namespaces were chosen by name, and the label does not matter.
        switched_off: Whether pods are served, too, whose own annotation says that the mode is off: by a person, never by the reaper.

    """

    grace: timedelta = DEFAULT_GRACE
    unmarked: bool = False
    methods: frozenset[Method] = frozenset({Method.QUIT, Method.DEADLINE})
    end_successful: bool = False
    opted_in: frozenset[str] | None = None
    switched_off: bool = False


class PodDecision(msgspec.Struct, frozen=True):
    """What is to be done about a pod.

    Args:
        reason: Why, and with it the verdict.
        containers: Names of the containers that it is about.
        act: What to do now; None unless the verdict is to act.
        again_at: When to decide again, should the pod not change before; None: only when it changes.

    """

    reason: ReaperReason
    containers: tuple[str, ...] = ()
    act: Act | None = None
    again_at: datetime | None = None


def decide(
    pod: Progress, policy: ReaperPolicy, now: datetime, past: Sequence[PastAct] = (), ended_at: datetime | None = None
) -> PodDecision:
    """What is to be done about this pod now.

    Args:
        pod: As it was read.
        policy: What is allowed.
        now: The time, on the reaper's clock.
        past: The acts on the pod of this uid, oldest first.
        ended_at: When the reaper itself saw that all work of the pod had ended; None: the kubelet's report of it counts.

    """
    early = _skipped(pod, policy) or _at_work(pod)
    if early is not None:
        return early
    ended_at = ended_at or _reported_end(pod)
    if ended_at is None:
        return PodDecision(ReaperReason.END_TIME_UNKNOWN)
    if now < ended_at + policy.grace:
        return PodDecision(ReaperReason.GRACE, _names(pod.running), again_at=ended_at + policy.grace)
    return _End(pod, policy, now, past, ended_at).decide()


def has_work(pod: Progress) -> bool:
    """Whether anything of the pod but its sidecars is at work, or may be."""
    return _at_work(pod) is not None


def _reported_end(pod: Progress) -> datetime | None:
    """When all work of the pod had ended, for certain: the kubelet's report of it has a time on the API server's clock.

    The report came after the end, whatever the node's clock shows. Any change of the status is a later report, so a probe that fails and
    succeeds in turns must not put the end off for ever.
    """
    if pod.work_ended_at is None or pod.reported_at is None:
        known = pod.work_ended_at or pod.reported_at
        return None if known is None else min(known, LATEST)
    return min(pod.reported_at, min(pod.work_ended_at, LATEST) + MOST_CLOCK_ERROR)


def _skipped(pod: Progress, policy: ReaperPolicy) -> PodDecision | None:
    if pod.phase != "Running":
        return PodDecision(ReaperReason.NOT_RUNNING)
    if pod.is_being_deleted:
        return PodDecision(ReaperReason.DELETING)
    if pod.mode is Mode.OFF and not policy.switched_off:
        return PodDecision(ReaperReason.SWITCHED_OFF)
    if policy.opted_in is not None and pod.namespace not in policy.opted_in:
        return PodDecision(ReaperReason.NOT_OPTED_IN)
    if not pod.is_marked and not policy.unmarked:
        return PodDecision(ReaperReason.NO_STATUS)
    return None


def _at_work(pod: Progress) -> PodDecision | None:
    """Why nothing may be done yet, whatever the time; None: all work of the pod has ended."""
    if pod.without_status:
        return PodDecision(ReaperReason.STATUSES_MISSING, pod.without_status)
    if pod.debug_containers:
        return PodDecision(ReaperReason.DEBUG_CONTAINER, pod.debug_containers)
    if pod.task_end is None:
        return _task_at_work(pod)
    return _other_work(pod)


def _other_work(pod: Progress) -> PodDecision | None:
    for reason, kind in _WORKING.items():
        if found := tuple([one.name for one in pod.running if one.kind is kind]):
            return PodDecision(reason, found)
    if one_time := tuple([one.name for one in pod.running if one.sidecar is not None and one.sidecar.is_one_time]):
        return PodDecision(ReaperReason.STILL_WORKING, one_time)
    if pod.waiting:
        return PodDecision(ReaperReason.CONTAINER_WAITING, pod.waiting)
    return None if pod.running else PodDecision(ReaperReason.NOTHING_RUNS)


_WORKING: Final = {
    ReaperReason.XCOM_NOT_TAKEN: ContainerKind.XCOM,
    ReaperReason.STILL_WORKING: ContainerKind.OUTLIVES_TASK,
    ReaperReason.UNKNOWN_CONTAINER: ContainerKind.UNKNOWN,
}


def _task_at_work(pod: Progress) -> PodDecision:
    if pod.is_task_restarted:
        return PodDecision(ReaperReason.TASK_RESTARTS)
    return PodDecision(ReaperReason.TASK_UNKNOWN if pod.main is None else ReaperReason.TASK_RUNNING)


def _names(containers: Sequence[RunningContainer]) -> tuple[str, ...]:
    return tuple([one.name for one in containers])


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a pod in which nothing but known sidecars runs, and whose grace is over."""

    pod: Progress
    policy: ReaperPolicy
    now: datetime
    past: Sequence[PastAct]
    ended_at: datetime

    def decide(self) -> PodDecision:
        if self._has_passed_deadline():
            return PodDecision(ReaperReason.DEADLINE_PASSED, _names(self.pod.running))
        steps = [self._step(container, sidecar) for container, sidecar in self._in_quit_order()]
        staying = [step for step in steps if step.reason.verdict is _LEAVE]
        waiting_for_others = [step for step in steps if step.reason is ReaperReason.ENDS_BY_ITSELF]
        if staying or len(waiting_for_others) > 1:
            return self._forced_end(staying or waiting_for_others)
        return next((step for step in steps if step.reason is not ReaperReason.ENDS_BY_ITSELF), steps[0])

    def _in_quit_order(self) -> list[tuple[RunningContainer, FoundSidecar]]:
        found = [(one, one.sidecar) for one in self.pod.running if one.sidecar is not None]
        return sorted(found, key=lambda pair: (pair[1].quit_order, pair[1].name))

    def _step(self, container: RunningContainer, sidecar: FoundSidecar) -> PodDecision:
        """What is to be done about one sidecar."""
        names = (container.name,)
        why_not = ReaperReason.NO_CLEAN_END
        self_end = self._self_end(sidecar)
        for act in self._acts_for(container, sidecar):
            if act.method is Method.EXEC and self_end is not None:
                break
            step = self._attempt(act, container)
            if step is not None:
                return step
            why_not = ReaperReason.METHODS_SPENT
        if self_end is not None:
            return self_end
        if container.is_started_again:
            why_not = ReaperReason.SIDECAR_RESTARTS
        elif self.pod.uses_host_network and sidecar.quit is not None:
            why_not = ReaperReason.HOST_NETWORK
        return PodDecision(why_not, names)

    def _self_end(self, sidecar: FoundSidecar) -> PodDecision | None:
        """The wait for a sidecar that ends by itself, until the others have ended and it has had its time."""
        if not sidecar.ends_by_itself:
            return None
        until = max([self.ended_at, *(act.at for act in self.past)]) + SELF_END
        return PodDecision(ReaperReason.ENDS_BY_ITSELF, (sidecar.name,), again_at=until) if self.now < until else None

    def _acts_for(self, container: RunningContainer, sidecar: FoundSidecar) -> Iterator[QuitAct | ExecAct]:
        """What ends this sidecar with exit code 0, the gentlest first."""
        if container.is_started_again:
            return
        if Method.QUIT in self.policy.methods and sidecar.quit is not None and not self.pod.uses_host_network:
            yield QuitAct(container.name, container.id, sidecar.quit)
        signal = container.stop_signal
        if Method.EXEC in self.policy.methods and signal is not None and signal.exit_code == 0 and not self.pod.shares_processes:
            yield ExecAct(container.name, container.id, signal.name)

    def _attempt(self, act: Act, container: RunningContainer | None) -> PodDecision | None:
        """The next step with this act: do it, or wait for what was done; None: it was done, and changed nothing."""
        names = (act.container,) if act.container else _names(self.pod.running)
        done = [
            one
            for one in self.past
            if one.method is act.method and one.container_id == act.container_id and self.now < one.at + FORGET_AFTER
        ]
        if not done:
            return PodDecision(_REASONS[act.method], names, act)
        last = done[-1]
        drained_at = last.at + _drain(container)
        if last.outcome in MAY_TAKE_EFFECT and self.now < drained_at:
            return PodDecision(ReaperReason.ENDING, names, again_at=drained_at)
        if last.outcome not in WITHOUT_ANSWER or len(done) >= MOST_ATTEMPTS:
            return None
        until = last.at + FIRST_PAUSE * 2 ** (len(done) - 1)
        return PodDecision(ReaperReason.PAUSE, names, again_at=until) if self.now < until else PodDecision(_REASONS[act.method], names, act)

    def _forced_end(self, staying: Sequence[PodDecision]) -> PodDecision:
        """The deadline where it may be set, else why the pod is left."""
        first = staying[0]
        reason = first.reason if first.reason.verdict is _LEAVE else ReaperReason.NO_CLEAN_END
        seconds = self._deadline_seconds()
        if seconds is not None:
            step = self._attempt(DeadlineAct(seconds), None)
            if step is not None:
                return step
            reason = ReaperReason.METHODS_SPENT
        names = tuple([name for step in staying for name in step.containers])
        return PodDecision(reason, names, again_at=self._again_at(staying))

    def _deadline_seconds(self) -> int | None:
        """What ``activeDeadlineSeconds`` is set to; None: it may not be set.

        With restartPolicy OnFailure a task that has ended has succeeded, and whoever created the pod, a Job, would run it once more.
        """
        end = self.pod.task_end
        if Method.DEADLINE not in self.policy.methods or self.pod.restart_policy != "Never" or end is None:
            return None
        return self._worked_seconds() if end.exit_code != 0 or self.policy.end_successful else None

    def _worked_seconds(self) -> int:
        """From the pod's start to the end of its work, on the kubelet's clock; 1, the least that the API takes, where it does not say."""
        if self.pod.started_at is None or self.pod.work_ended_at is None:
            return 1
        return max(1, int((self.pod.work_ended_at - self.pod.started_at).total_seconds()))

    def _has_passed_deadline(self) -> bool:
        limit = self.pod.active_deadline_seconds
        return limit is not None and limit <= self._worked_seconds()

    def _again_at(self, staying: Sequence[PodDecision]) -> datetime | None:
        """When a sidecar has had its time to end by itself, or the oldest act that still counts is forgotten."""
        forgotten = [act.at + FORGET_AFTER for act in self.past if self.now < act.at + FORGET_AFTER]
        return min([*forgotten, *(step.again_at for step in staying if step.again_at is not None)], default=None)


_LEAVE: Final = ReaperReason.NO_CLEAN_END.verdict
_REASONS: Final = {
    Method.QUIT: ReaperReason.QUIT_SENT,
    Method.EXEC: ReaperReason.SIGNAL_SENT,
    Method.DEADLINE: ReaperReason.DEADLINE_SET,
}


def _drain(container: RunningContainer | None) -> timedelta:
    seconds = container.stop_signal.drain_seconds if container is not None and container.stop_signal is not None else None
    return (USUAL_DRAIN if seconds is None else timedelta(seconds=seconds)) + DRAIN_MARGIN
