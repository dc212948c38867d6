"""What people should know about a pod, as a value: controller and pass make an Event of it, and the controller a log line."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import Progress, Treatment, recorded_reason
from webhook.reaper.act import WITHOUT_ANSWER, Method
from webhook.reaper.reason import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from webhook.core import LeftTaskPod
    from webhook.reaper.act import Act, PastAct
    from webhook.reaper.decision import PodDecision

LINGER: Final = timedelta(minutes=10)
"""How long a pod may wait for somebody, such as for an unknown container, before a notice says so."""

MAX_LINE_CHARACTERS: Final = 256
"""Of a line to paste: with a longer one an Event could be longer than the API takes."""


class NoticeKind(StrEnum):
    """What has happened, by the reason of its Event."""

    SIDECAR_QUIT = "SidecarQuit"
    """A sidecar accepted its quit request, or its signal was sent; or there was no answer to that, and it ended."""

    SIDECAR_STUCK = "SidecarStuck"
    """The pod stays Running, and a person has to decide; or the reaper is in observe mode."""

    DEADLINE_SET = "TaskPodDeadlineSet"
    """The pod's ``activeDeadlineSeconds`` was set, so the kubelet ends the pod."""

    TASK_POD_ENDED = "TaskPodEnded"
    """A pod that the reaper acted on no longer runs."""

    TASK_POD_LEFT = "TaskPodLeft"
    """The webhook left the pod as it was, and a sidecar may keep it Running after its task."""

    @property
    def is_warning(self) -> bool:
        """Whether a person has to do something."""
        return self in {NoticeKind.SIDECAR_STUCK, NoticeKind.TASK_POD_LEFT}

    @property
    def is_given_once(self) -> bool:
        """Whether there is one Event for each pod, whatever its note says, which is not counted again."""
        return self is NoticeKind.TASK_POD_LEFT


class Notice(msgspec.Struct, frozen=True):
    """What people should know about a pod.

    Args:
        kind: What has happened.
        pod: The pod, as it was read last.
        note: The same in words, without the pod's name.

    """

    kind: NoticeKind
    pod: Progress
    note: str


def if_needed(pod: Progress, decision: PodDecision, since: datetime | None, now: datetime, *, is_observing: bool) -> Notice | None:
    """The pod stays as it is, if people should know of that.

    Args:
        pod: A pod whose task has ended while sidecars run on.
        decision: About it.
        since: When its task ended; None: that is not known.
        now: The time.
        is_observing: Whether the reaper was started to do nothing.

    """
    if decision.act is not None:
        is_needed = is_observing
    else:
        # A difference of two times always exists; a sum may be after the year 9999.
        has_lingered = waits_for_somebody(decision) and since is not None and now - since >= LINGER
        is_needed = has_lingered or decision.reason.verdict is Verdict.LEAVE
    return of_decision(pod, decision, is_observing=decision.act is not None) if is_needed else None


def reported_end(pod: Progress) -> datetime | None:
    """When the task of a pod ended, as the kubelet says: a pass has seen nothing itself."""
    return None if pod.task_end is None else pod.task_end.finished_at


def waits_for_somebody(decision: PodDecision) -> bool:
    """Whether it waits for what a person can change."""
    return decision.reason.verdict is Verdict.WAIT and bool(decision.reason.remedy)


def of_decision(pod: Progress, decision: PodDecision, is_observing: bool) -> Notice:  # noqa: FBT001  a fact about the notice
    """The pod stays as it is; ``is_observing``: an act is due, and the reaper is in observe mode."""
    containers = f" Containers: {', '.join(decision.containers)}." if decision.containers else ""
    remedy = f" {decision.reason.remedy}" if decision.reason.remedy else ""
    observing = " The reaper is in observe mode, so it has done nothing." if is_observing else ""
    return Notice(NoticeKind.SIDECAR_STUCK, pod, f"{decision.reason.sentence}{containers}{_why_left(pod)}{remedy}{observing}")


def of_act(pod: Progress, act: Act, detail: str) -> Notice:
    """An act was accepted; ``detail`` is the answer to it."""
    if act.method is Method.DEADLINE:
        code = "" if pod.task_end is None else f", which exited with {pod.task_end.exit_code}"
        done = f"A sidecar ran on after the task{code}. No other allowed method ends it, so the kubelet ends the pod ({detail})."
        return Notice(NoticeKind.DEADLINE_SET, pod, f"{done}{_why_left(pod)}")
    accepted = "accepted its quit request" if act.method is Method.QUIT else "was sent the signal that ends it"
    done = f"The sidecar {act.container} ran on after the task, and {accepted} ({detail})."
    return Notice(NoticeKind.SIDECAR_QUIT, pod, f"{done}{_why_left(pod)}")


def of_unanswered(pod: Progress, container: str, method: Method) -> Notice:
    """A sidecar has ended after an act without an answer: the pod's network goes with the last container, and may take the answer along."""
    request = "quit request" if method is Method.QUIT else "signal"
    done = f"The sidecar {container} ran on after the task. An attempt to send its {request} had no answer, and it has ended since."
    return Notice(NoticeKind.SIDECAR_QUIT, pod, f"{done}{_why_left(pod)}")


def of_unanswered_ends(before: Progress, after: Progress | None, past: Sequence[PastAct]) -> Iterator[Notice]:
    """The sidecars that have ended since, and whose last act had no answer; ``after`` is None where the pod no longer runs."""
    still_running = {one.id for one in after.running} if after is not None else set()
    for one in before.running:
        acts = [act for act in past if act.container_id == one.id and act.method is not Method.DEADLINE]
        if acts and acts[-1].outcome in WITHOUT_ANSWER and one.id not in still_running:
            yield of_unanswered(after or before, one.name, acts[-1].method)


def of_end(pod: Progress) -> Notice:
    """The pod no longer runs."""
    end = pod.task_end
    task = "" if end is None else f" Its task's container exited with {end.exit_code}{f' ({end.reason})' if end.reason else ''}."
    return Notice(NoticeKind.TASK_POD_ENDED, pod, f"The pod no longer runs.{task}")


def of_left(pod: Progress, left: LeftTaskPod) -> Notice:
    """The webhook left a pod that has not started."""
    remedy = left.remedy
    if remedy is None or not remedy.line or len(remedy.line) > MAX_LINE_CHARACTERS:
        what_to_do = f"{remedy.text if remedy else ''} explain pod/NAME prints what to do.".lstrip()
    else:
        what_to_do = remedy.instruction
    what_holds = f"The webhook left this pod: {left.reason.sentence} After its task, {left.shown_sidecars} may keep it Running."
    return Notice(NoticeKind.TASK_POD_LEFT, pod, f"{what_holds} {what_to_do}")


def _why_left(pod: Progress) -> str:
    """Why the webhook left the pod when it was created, or only audited it; empty where it treated or did not see it."""
    if pod.recorded.is_audited:
        return " The webhook only audited the pod when it was created, so it changed nothing."
    reason = recorded_reason(pod.recorded.reason)
    if reason is None or reason.treatment is not Treatment.LEFT:
        return ""
    return f" The webhook left the pod when it was created: {reason.sentence}"
