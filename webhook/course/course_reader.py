"""Reads the course of a pod. What ends it is the reaper's rule, used as it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from webhook.core import ENDED_PHASES, ContainerKind, MalformedPodError, Treatment, read_progress, recorded_reason
from webhook.course.pod_course import NEEDS_A_PERSON, EndedTask, PodCourse, PodState, Step, StillRunning, StuckReason
from webhook.reaper.act import Method
from webhook.reaper.decision import ReaperPolicy, decide
from webhook.reaper.reason import ReaperReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from webhook.core import Catalogue, Progress
    from webhook.course.kubectl import Kubectl
    from webhook.reaper.decision import PodDecision

STUCK_AFTER: Final = timedelta(minutes=3)
"""The longest drain of a known sidecar, Linkerd's, takes two minutes; until then a pod is ending, not stuck."""

BY_HAND: Final = ReaperPolicy(grace=timedelta(), unmarked=True, switched_off=True, methods=frozenset(Method))
"""What a person may do by hand about a pod that is stuck: everything that the reaper can, at once."""

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

KILLED: Final = 137
"""The exit code of a container whose process 1 got SIGKILL: 128 + 9."""


def read_course(pod: Mapping[str, Any], catalogue: Catalogue, kubectl: Kubectl, now: datetime) -> PodCourse | None:
    """The course of a pod as the API server returns it; None: it is no task pod of Airflow's, or not readable as a Pod."""
    try:
        progress = read_progress(pod, catalogue)
    except MalformedPodError:
        return None
    return None if progress is None else course_of(progress, kubectl, now)


def course_of(progress: Progress, kubectl: Kubectl, now: datetime) -> PodCourse:
    """The course of a task pod."""
    return _Course(progress, kubectl, now).read()


@dataclass(frozen=True, slots=True)
class _Course:
    progress: Progress
    kubectl: Kubectl
    now: datetime

    def read(self) -> PodCourse:
        pod = self.progress
        state, decision = self._state(), decide(pod, BY_HAND, self.now)
        # Of a pod that was never Running, as where an image cannot be pulled, the reaper does not see what waits.
        why = ReaperReason.CONTAINER_WAITING if state is PodState.WAITING else self._why(decision)
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
            is_audited=pod.recorded.is_audited,
            recorded_reason=pod.recorded.reason,
            recorded_version=pod.recorded.version,
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
        kinds, has_had_grace = {one.kind for one in self.progress.unfinished}, self._has_had_grace()
        if has_had_grace and ContainerKind.SIDECAR in kinds:
            return PodState.STUCK
        if has_had_grace and kinds & NOT_KNOWN_TO_END:
            return PodState.POSSIBLY_STUCK
        if ContainerKind.OUTLIVES_TASK in kinds:
            return PodState.WORKING
        return PodState.WAITING if has_had_grace and self.progress.waiting else PodState.ENDING

    def _has_had_grace(self) -> bool:
        """Whether the task ended more than `STUCK_AFTER` ago, or at a time that nobody knows."""
        end = self.progress.task_end
        return end is not None and (end.finished_at is None or self.now - end.finished_at > STUCK_AFTER)

    def _why(self, decision: PodDecision) -> ReaperReason | StuckReason | None:
        if decision.reason.verdict is not Verdict.ACT:
            return decision.reason
        if self.progress.recorded.is_audited:
            return StuckReason.ONLY_AUDITED
        end, reason = self.progress.task_end, recorded_reason(self.progress.recorded.reason)
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
        if self.progress.waiting:
            yield Step(f"See why the kubelet does not start {', '.join(self.progress.waiting)}.", self.kubectl.describe())
        for container in [one for one in running if one.kind is ContainerKind.UNKNOWN]:
            yield Step(f"See whether {container.name} is at work.", self.kubectl.show_log(container.name))
        yield Step(DELETE, self.kubectl.delete())
