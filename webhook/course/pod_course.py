"""The course of a pod that lives: what has happened to it so far, what keeps it Running, and what ends it now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import ContainerKind, ExplainedWord, ReasonRow, SkipReason, Treatment, recorded_reason
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta


class PodState(ExplainedWord):
    """How far a pod has come."""

    NOT_STARTED = ReasonRow("not-started", "The pod has not started.", "")
    RUNNING = ReasonRow("running", "The task has not ended.", "")
    ENDING = ReasonRow(
        "ending", "The task has ended, and the pod is about to end; if it has not three minutes after the task, explain it again.", ""
    )
    WORKING = ReasonRow("working", "The task has ended, and a container works on that ends by itself.", "")
    POSSIBLY_STUCK = ReasonRow(
        "possibly-stuck", "The task has ended, and a container that may or may not be at work keeps the pod Running.", ""
    )
    STUCK = ReasonRow("stuck", "The task has ended, and a sidecar keeps the pod Running.", "")
    WAITING = ReasonRow("waiting", "The task has ended, and a container that the kubelet does not start keeps the pod from ending.", "")
    ENDED = ReasonRow("ended", "The pod has ended.", "")
    DELETED = ReasonRow("deleted", "Somebody has deleted the pod.", "")


class StuckReason(ExplainedWord):
    """Why a pod is stuck in spite of its treatment, or has none."""

    WRAPPER_KILLED = ReasonRow(
        "wrapper-killed",
        "The wrapper was killed together with the task (SIGKILL, as the kernel's OOM killer sends it), so nothing sent the quit requests.",
        "",
    )
    ONLY_AUDITED = ReasonRow(
        "only-audited",
        "The webhook's setting enforcement was audit when the pod was created: set it to enforce, and new pods are treated.",
        "",
    )


NOT_READY: Final = 69
"""The wrapper's exit code where the sidecars are not ready in time (EX_UNAVAILABLE, docs/decisions/0006-code-69.md)."""

UNREADABLE: Final = "unreadable"
"""Stands for the reason in a status that has none."""

NEEDS_A_PERSON: Final = frozenset({PodState.POSSIBLY_STUCK, PodState.STUCK, PodState.WAITING})


class EndedTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the task ended.

    Args:
        exit_code: Its exit code; 128 plus the signal's number for one that a signal ended.
        reason: The kubelet's word, like ``OOMKilled``; empty where it has none.
        ended_at: When; null where the kubelet does not say.

    """

    exit_code: int
    reason: str
    ended_at: datetime | None


class StillRunning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A container beside the task's that runs.

    Args:
        name: Its name.
        kind: What it is.
        since: When it started; null where the kubelet does not say.

    """

    name: str
    kind: ContainerKind
    since: datetime | None


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do about the pod now.

    Args:
        text: What it does.
        line: The line for a POSIX shell; empty: there is none.

    """

    text: str
    line: str = ""


class PodCourse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
        is_audited: Whether the webhook changed nothing, because its setting ``enforcement`` was ``audit``.
        recorded_reason: The reason in that status; null: it has none.
        recorded_version: The version of the webhook in that status; empty: it has none.
        why: What keeps the pod Running beside its sidecars, or why its treatment did not end them; null: nothing that is known.
        why_sentence: The same for people.
        now: What to do now, the first step first.
        not_treated: Why the webhook skips such a pod or is not called for it, so that it has no status; null: nothing that is known.
        not_treated_sentence: The same for people.
        not_treated_remedy: What to do so that it is called; empty: nothing, or what the remedies say.

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
    is_audited: bool
    recorded_reason: str | None
    recorded_version: str
    why: str | None
    why_sentence: str
    now: tuple[Step, ...]
    not_treated: str | None = None
    not_treated_sentence: str = ""
    not_treated_remedy: str = ""

    @property
    def needs_a_person(self) -> bool:
        """Whether the pod stays Running until somebody does something, as far as anybody can tell."""
        return self.state in NEEDS_A_PERSON

    @property
    def unended(self) -> tuple[str, ...]:
        """The containers beside the task's that keep the pod from ending: those that run, else those that the kubelet does not start."""
        return tuple([one.name for one in self.running]) or self.waiting

    @property
    def ended_at(self) -> datetime | None:
        """When the task ended; None: it has not, or the kubelet does not say."""
        return self.end.ended_at if self.end else None

    def when_ended(self, now: datetime) -> str:
        """The same for people, as the end of a sentence; empty: it is not known."""
        return f" at {_time(self.ended_at)}, {age_of(now - self.ended_at)} ago" if self.ended_at else ""

    @property
    def webhook_word(self) -> str:
        """What the webhook recorded, as a word: the reason in the status, ``audited``, why it treats no such pod, or ``no-status``."""
        if self.is_audited:
            return Treatment.AUDITED
        return (self.recorded_reason or UNREADABLE) if self.is_seen else self.not_treated or ReaperReason.NO_STATUS

    @property
    def webhook_sentence(self) -> str:
        """What the webhook did about the pod, for people."""
        if not self.is_seen and self.not_treated:
            return f"not treated ({self.not_treated}): {self.not_treated_sentence}"
        if not self.is_seen:
            return f"not seen ({ReaperReason.NO_STATUS}): {ReaperReason.NO_STATUS.sentence}"
        known = recorded_reason(self.recorded_reason)
        version = f" by version {self.recorded_version}" if self.recorded_version else ""
        if known is None:
            return f"seen{version}, with a status that this version cannot read: {self.recorded_reason or 'no reason'}"
        if self.is_audited:
            return f"audited at its creation{version}, so nothing was changed; it would be {known.treatment} ({known}): {known.sentence}"
        return f"seen at its creation{version}, {known.treatment} ({known}): {known.sentence}"

    def with_reason(self, reason: ExplainedWord) -> PodCourse:
        """The same, with the reason for which the webhook treats or skips such a pod."""
        is_skipped = isinstance(reason, SkipReason) and not self.is_seen
        return self.not_treated_because(reason, reason.sentence) if is_skipped else self

    def not_treated_because(self, word: str, sentence: str, remedy: str = "") -> PodCourse:
        """The same, with why the webhook does not treat such a pod."""
        return msgspec.structs.replace(self, not_treated=word, not_treated_sentence=sentence, not_treated_remedy=remedy)

    def members(self, now: datetime) -> Iterator[tuple[str, str]]:
        """What has happened, for people: a word, and what is said about it."""
        if self.dag or self.task:
            yield "airflow", f"DAG {self.dag or 'unknown'}, task {self.task or 'unknown'}"
        yield "task", self._task(now)
        for one in self.running:
            yield "running", f"{one.name} ({one.kind}){_since(one.since, now)}"
        if self.waiting:
            yield "waiting", f"{', '.join(self.waiting)}: the kubelet starts it, or starts it again"
        where = "" if self.is_seen or self.not_treated else " doctor says whether it is called in this namespace."
        yield "webhook", self.webhook_sentence + where
        if self.needs_a_person and self.why:
            yield "why", f"{self.why}: {self.why_sentence}"

    def _task(self, now: datetime) -> str:
        name = self.main or "the container of the task is not identified"
        if self.end is None:
            return f"{name}: not ended"
        reason = f" ({self.end.reason})" if self.end.reason else ""
        return f"{name}: ended{self.when_ended(now)}, exit code {self.end.exit_code}{reason}{self._of_wrapper(self.end)}"

    def _of_wrapper(self, end: EndedTask) -> str:
        """What an exit code of the wrapper's own means."""
        reason = recorded_reason(self.recorded_reason)
        is_wrapped = reason is not None and reason.treatment is Treatment.WRAPPED and not self.is_audited
        return ": the task did not run, as its sidecars were not ready in time" if is_wrapped and end.exit_code == NOT_READY else ""


def stuck_for(task_ended_at: datetime | None, now: datetime) -> str:
    """The time since the end of the task of a stuck pod, for people."""
    return "unknown" if task_ended_at is None else age_of(now - task_ended_at)


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _since(time: datetime | None, now: datetime) -> str:
    return "" if time is None else f", since {_time(time)}, for {age_of(now - time)}"


def age_of(age: timedelta) -> str:
    """The two largest units of a time, like ``4 h 50 min``; a time in the future is none."""
    seconds = max(0, int(age.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((position for position, (count, _) in enumerate(parts) if count), 0)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
