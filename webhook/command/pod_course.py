"""The course of a pod that lives: what has happened to it so far, what holds it up, and what ends it now.

Whether it is stuck is the doctor's rule, and what ends it is the reaper's: both are used as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import ENDED_PHASES, ContainerKind, ExplainedWord, MalformedPodError, Reason, ReasonRow, Treatment, read_progress
from webhook.doctor.stuck_pod_check import GRACE, has_had_grace, is_stuck
from webhook.reaper.act import Method
from webhook.reaper.decision import ReaperPolicy, decide
from webhook.reaper.reason import ReaperReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from webhook.command.kubectl import Kubectl
    from webhook.core import Catalogue, Progress
    from webhook.reaper.decision import PodDecision

BY_HAND: Final = ReaperPolicy(grace=GRACE, unmarked=True, methods=frozenset(Method))
"""What a person may do about a pod by hand: everything that the reaper can."""

BY_METHOD: Final[Mapping[Method, str]] = {
    Method.QUIT: "Send {container} its quit request: it exits 0, and the pod gets the result of its task.",
    Method.EXEC: "Send {container} the signal on which it exits 0: the pod gets the result of its task.",
    Method.DEADLINE: "The task has failed: have the kubelet end the pod as Failed.",
}
"""What each method does, for whoever does it by hand."""

DELETE: Final = "Delete the pod once nothing in it is at work, and Airflow has recorded the end of the task."

ANSWERED_HERE: Final = frozenset({ReaperReason.TASK_UNKNOWN, ReaperReason.UNKNOWN_CONTAINER, ReaperReason.NO_CLEAN_END})
"""Reasons whose remedy is to read what ``explain`` says."""

NOT_KNOWN_TO_END: Final = frozenset({ContainerKind.UNKNOWN, ContainerKind.XCOM})
"""Containers that may run on for ever, or be at work: nobody but a person can tell."""


class PodState(ExplainedWord):
    """How far a pod has come."""

    NOT_STARTED = ReasonRow("not-started", "The pod has not started.", "")
    RUNNING = ReasonRow("running", "The task has not ended.", "")
    ENDING = ReasonRow("ending", "The task has ended, and the pod is about to end.", "")
    WORKING = ReasonRow("working", "The task has ended, and a container works on that ends by itself.", "")
    HELD = ReasonRow("held", "The task has ended, and a container that may or may not be at work keeps the pod Running.", "")
    STUCK = ReasonRow("stuck", "The task has ended, and a sidecar keeps the pod Running.", "")
    ENDED = ReasonRow("ended", "The pod has ended.", "")
    DELETED = ReasonRow("deleted", "Somebody has deleted the pod.", "")


class StuckReason(ExplainedWord):
    """Why a pod is stuck in spite of its treatment."""

    WRAPPER_KILLED = ReasonRow(
        "wrapper-killed",
        "The wrapper was killed together with the task (SIGKILL, as the kernel's OOM killer sends it), so nothing sent the quit requests.",
        "",
    )


KILLED: Final = 137
"""The exit code of a container whose process 1 got SIGKILL: 128 + 9."""

NEEDS_A_PERSON: Final = frozenset({PodState.HELD, PodState.STUCK})


class EndedTask(msgspec.Struct, frozen=True):
    """How the task ended.

    Args:
        exit_code: Its exit code; 128 plus the signal's number for one that a signal ended.
        reason: The kubelet's word, like ``OOMKilled``; empty where it has none.
        ended_at: When; null where the kubelet does not say.

    """

    exit_code: int
    reason: str
    ended_at: datetime | None


class StillRunning(msgspec.Struct, frozen=True):
    """A container beside the task's that runs.

    Args:
        name: Its name.
        kind: What it is.
        since: When it started; null where the kubelet does not say.

    """

    name: str
    kind: ContainerKind
    since: datetime | None


class Step(msgspec.Struct, frozen=True):
    """What to do about the pod now.

    Args:
        text: What it does.
        line: The line for a POSIX shell; empty: there is none.

    """

    text: str
    line: str = ""


class PodCourse(msgspec.Struct, frozen=True):
    """What has happened to a pod so far.

    Args:
        state: How far it has come.
        sentence: The same for people.
        dag: The id of its DAG; empty where Airflow did not write it on the pod.
        task: The id of its task, likewise.
        main: The task's container; null: it could not be identified.
        end: How the task ended; null: it has not.
        running: The containers beside the task's that run.
        waiting: Names of the containers that the kubelet has yet to start, for the first time or again.
        is_seen: Whether the pod carries the webhook's status.
        recorded_reason: The reason in that status; null: it has none.
        why: What holds the pod up beside its sidecars, or why its treatment did not end them; null: nothing that is known.
        why_sentence: The same for people.
        now: What to do now, the first step first.

    """

    state: PodState
    sentence: str
    dag: str
    task: str
    main: str | None
    end: EndedTask | None
    running: tuple[StillRunning, ...]
    waiting: tuple[str, ...]
    is_seen: bool
    recorded_reason: str | None
    why: ReaperReason | StuckReason | None
    why_sentence: str
    now: tuple[Step, ...]

    @property
    def needs_a_person(self) -> bool:
        """Whether the pod stays Running until somebody does something, as far as anybody can tell."""
        return self.state in NEEDS_A_PERSON

    def members(self, now: datetime) -> Iterator[tuple[str, str]]:
        """What has happened, for people: a word, and what holds of it."""
        if self.dag or self.task:
            yield "airflow", f"DAG {self.dag or 'unknown'}, task {self.task or 'unknown'}"
        yield "task", self._task(now)
        for one in self.running:
            yield "running", f"{one.name} ({one.kind}){_since(one.since, now)}"
        if self.waiting:
            yield "waiting", f"{', '.join(self.waiting)}: the kubelet starts it, or starts it again"
        yield "webhook", self._seen()
        if self.needs_a_person and self.why:
            yield "why", f"{self.why}: {self.why_sentence}"

    def _task(self, now: datetime) -> str:
        name = self.main or "the container of the task is not identified"
        if self.end is None:
            return f"{name}: not ended"
        reason = f" ({self.end.reason})" if self.end.reason else ""
        when = f" at {_time(self.end.ended_at)}, {_age(now - self.end.ended_at)} ago" if self.end.ended_at else ""
        return f"{name}: ended{when}, exit code {self.end.exit_code}{reason}"

    def _seen(self) -> str:
        if not self.is_seen:
            return f"not seen: {ReaperReason.NO_STATUS.sentence}"
        known = _recorded_reason(self.recorded_reason)
        if known is None:
            return f"seen, with a status that this version cannot read: {self.recorded_reason or 'no reason'}"
        return f"seen at its creation, {known.treatment} ({known}): {known.sentence}"


def read_course(pod: Mapping[str, Any], catalogue: Catalogue, kubectl: Kubectl, now: datetime) -> PodCourse | None:
    """The course of a pod as the API server returns it; None: it is no task pod of Airflow's, or not readable as a Pod."""
    try:
        progress = read_progress(pod, catalogue)
    except MalformedPodError:
        return None
    return None if progress is None else _Course(progress, kubectl, now).read()


@dataclass(frozen=True, slots=True)
class _Course:
    progress: Progress
    kubectl: Kubectl
    now: datetime

    def read(self) -> PodCourse:
        pod = self.progress
        state, decision = self._state(), decide(pod, BY_HAND, self.now)
        why = self._why(decision)
        end = pod.task_end
        return PodCourse(
            state=state,
            sentence=state.sentence,
            dag=pod.dag,
            task=pod.task,
            main=pod.main,
            end=None if end is None else EndedTask(end.exit_code, end.reason, end.finished_at),
            running=tuple([StillRunning(one.name, one.kind, one.started_at) for one in pod.running]),
            waiting=pod.waiting,
            is_seen=pod.is_marked,
            recorded_reason=pod.recorded.reason,
            why=why,
            why_sentence=why.sentence if why else "",
            now=tuple(self._steps(decision)) if state in NEEDS_A_PERSON else (),
        )

    def _state(self) -> PodState:
        pod = self.progress
        if pod.phase in ENDED_PHASES:
            return PodState.ENDED
        if pod.is_being_deleted:
            return PodState.DELETED
        if pod.task_end is None:
            return PodState.RUNNING if pod.phase == "Running" else PodState.NOT_STARTED
        return self._state_after_task()

    def _state_after_task(self) -> PodState:
        if is_stuck(self.progress, self.now):
            return PodState.STUCK
        kinds = {one.kind for one in self.progress.unfinished}
        if kinds & NOT_KNOWN_TO_END and has_had_grace(self.progress, self.now):
            return PodState.HELD
        return PodState.WORKING if ContainerKind.OUTLIVES_TASK in kinds else PodState.ENDING

    def _why(self, decision: PodDecision) -> ReaperReason | StuckReason | None:
        if decision.reason.verdict is not Verdict.ACT:
            return decision.reason
        end, reason = self.progress.task_end, _recorded_reason(self.progress.recorded.reason)
        is_killed = end is not None and end.exit_code == KILLED and reason is not None and reason.treatment is Treatment.WRAPPED
        return StuckReason.WRAPPER_KILLED if is_killed else None

    def _steps(self, decision: PodDecision) -> Iterator[Step]:
        """What a person does now: what the reaper would do; else what the reason says, and in the end a deletion."""
        act, running = decision.act, self.progress.unfinished
        if act is not None:
            more = f" {len(running)} containers run: then explain the pod again." if len(running) > 1 and act.container else ""
            yield Step(BY_METHOD[act.method].format(container=act.container) + more, self.kubectl.perform(act))
            return
        if decision.reason.remedy and decision.reason not in ANSWERED_HERE:
            yield Step(decision.reason.remedy)
        for container in [one for one in running if one.kind is ContainerKind.UNKNOWN]:
            yield Step(f"See whether {container.name} is at work.", self.kubectl.show_log(container.name))
        yield Step(DELETE, self.kubectl.delete())


def _recorded_reason(word: str | None) -> Reason | None:
    return next((reason for reason in Reason if reason == word), None)


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _since(time: datetime | None, now: datetime) -> str:
    return "" if time is None else f", since {_time(time)}, for {_age(now - time)}"


def _age(age: timedelta) -> str:
    """The two largest units of a time, like ``4 h 50 min``; a time in the future is none."""
    seconds = max(0, int(age.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((position for position, (count, _) in enumerate(parts) if count), 0)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
