"""The sum of many explained pods: what becomes of them and why, and which of them stay Running after their task."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from webhook.command.terminal import HOW_TO_END, Style, printable
from webhook.core import Treatment
from webhook.course.pod_course import PodState, stuck_for
from webhook.course.wasted_time import slot_hours, wasted_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.explanation import Explanation
    from webhook.command.terminal import Palette
    from webhook.course.pod_course import PodCourse

MAX_LISTED: Final = 50
"""Pods in the text, those that are stuck for the longest time; the JSON has all."""

HEADINGS: Final = ("STATE", "STUCK FOR", "POD", "DAG", "TASK", "CONTAINER", "WEBHOOK")


OF_NEW_PODS: Final = "not changed by the webhook; new pods like these would be "


class _Treated(NamedTuple):
    """What is counted."""

    treatment: str
    reason: str
    sentence: str
    is_of_new_pods: bool


class ReasonCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pods that get the same treatment for the same reason.

    Args:
        treatment: The treatment; ``skipped`` for pods that get none.
        reason: Why: a word of docs/reference.md.
        sentence: The same for people.
        pods: How many.
        example: Namespace and name of one of them.
        is_of_new_pods: Whether the webhook has not changed these pods, and new pods like them would get the treatment.

    """

    treatment: str
    reason: str
    sentence: str
    pods: int
    example: str
    is_of_new_pods: bool


class StuckPodRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pod that stays Running after its task.

    Args:
        pod: Namespace and name.
        state: ``stuck`` or ``possibly-stuck``.
        dag: The id of its DAG; empty where Airflow did not write it on the pod.
        task: The id of its task, likewise.
        ended_at: When its task ended; null where the kubelet does not say.
        unended: Names of the containers that keep it from ending.
        webhook: The reason that the webhook recorded; ``audited``: it changed nothing, by its settings; why it does not treat such a pod;
            empty: it has not seen the pod.

    """

    pod: str
    state: PodState
    dag: str
    task: str
    ended_at: datetime | None
    unended: tuple[str, ...]
    webhook: str


class SummaryDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``explain --summary -o json`` prints.

    Args:
        version: Of this form.
        pods: How many pods there are.
        skipped: How many documents are without a pod.
        reasons: By treatment and reason, the most frequent first.
        states: How many task pods are in each state, of those with a status of the kubelet.
        stuck_pods: The pods that stay Running after their task, the one first that is stuck for the longest time.
        stuck_slot_hours: What the stuck pods have wasted, in slot-hours; a pod counts 0 whose kubelet does not say when its task ended.
        unknown_containers: How many pods have a container of this name that nobody knows.

    """

    version: Literal[1]
    pods: int
    skipped: int
    reasons: tuple[ReasonCount, ...]
    states: dict[str, int]
    stuck_pods: tuple[StuckPodRow, ...]
    stuck_slot_hours: float
    unknown_containers: dict[str, int]


class PodSummary:
    """Adds explanations up. Of a pod only what is shown is stored."""

    def __init__(self, now: datetime) -> None:
        """Begin with no pod; ``now``: the time until which pods are stuck."""
        self._now = now
        self._reasons: Counter[_Treated] = Counter()
        self._examples: dict[_Treated, str] = {}
        self._states: Counter[PodState] = Counter()
        self._unknown: Counter[str] = Counter()
        self._stuck: list[StuckPodRow] = []

    def add(self, one: Explanation) -> None:
        """Count one pod."""
        status, course = one.outcome.status, one.course
        is_of_new = status is not None and course is not None and (course.is_audited or not course.is_seen)
        reason = _Treated(str(status.treatment) if status else "skipped", str(one.outcome.reason), one.outcome.reason.sentence, is_of_new)
        self._reasons[reason] += 1
        self._examples.setdefault(reason, one.full_name)
        self._unknown.update(status.may_keep_running if status else ())
        if one.course is not None:
            self._states[one.course.state] += 1
            if one.course.needs_a_person:
                self._stuck.append(_row_of(one.full_name, one.course))

    @property
    def needs_a_person(self) -> bool:
        """Whether a pod stays Running until somebody does something."""
        return bool(self._stuck)

    def as_document(self, skipped: int) -> SummaryDocument:
        """For machines; ``skipped``: the number of documents without a pod."""
        stuck = sorted(self._stuck, key=lambda one: (one.ended_at is not None, one.ended_at.timestamp() if one.ended_at else 0))
        return SummaryDocument(
            version=1,
            pods=self._reasons.total(),
            skipped=skipped,
            reasons=tuple(
                [
                    ReasonCount(one.treatment, one.reason, one.sentence, count, self._examples[one], one.is_of_new_pods)
                    for one, count in self._reasons.most_common()
                ]
            ),
            states={str(state): count for state, count in self._states.most_common()},
            stuck_pods=tuple(stuck),
            stuck_slot_hours=round(slot_hours(wasted_time(one.ended_at, self._now, self._now) for one in stuck), 2),
            unknown_containers=dict(self._unknown.most_common()),
        )

    def as_text(self, skipped: int, palette: Palette) -> str:
        """For people."""
        document = self.as_document(skipped)
        lines = [palette.paint(f"pods: {document.pods:,}", Style.BOLD) + (f"; documents without a pod: {skipped:,}" if skipped else "")]
        for one in document.reasons:
            what = f"{OF_NEW_PODS if one.is_of_new_pods else ''}{palette.paint(one.treatment, Style.BOLD)} ({one.reason})"
            lines.append(f"  {one.pods:>8,}  {what}, for example {printable(one.example)}: {one.sentence}")
        if document.unknown_containers:
            lines += ["", palette.paint("containers that nobody knows, and the number of pods that have one", Style.BOLD)]
            lines += [f"  {count:>8,}  {printable(name)}" for name, count in list(document.unknown_containers.items())[:MAX_LISTED]]
        if self._states:
            lines += ["", palette.paint("task pods by state", Style.BOLD)]
            lines += [f"  {count:>8,}  {state}: {state.sentence}" for state, count in self._states.most_common()]
        lines += self._stuck_lines(document, palette)
        return "\n".join(lines)

    def _stuck_lines(self, document: SummaryDocument, palette: Palette) -> Iterator[str]:
        if not document.stuck_pods:
            return
        yield ""
        yield palette.paint(f"stuck pods: {len(document.stuck_pods):,}; slot-hours wasted: {document.stuck_slot_hours:,.1f}", Style.BOLD)
        yield from palette.table(HEADINGS, [self._row(one) for one in document.stuck_pods[:MAX_LISTED]], indent=2)
        if len(document.stuck_pods) > MAX_LISTED:
            yield f"  and {len(document.stuck_pods) - MAX_LISTED:,} more: -o json has all"
        yield f"  {HOW_TO_END}"

    def _row(self, one: StuckPodRow) -> tuple[str, ...]:
        return (
            one.state,
            stuck_for(one.ended_at, self._now),
            one.pod,
            one.dag,
            one.task,
            ", ".join(one.unended),
            one.webhook or "not seen",
        )


def _row_of(name: str, course: PodCourse) -> StuckPodRow:
    recorded = (
        str(Treatment.AUDITED)
        if course.is_audited
        else (course.recorded_reason or "no reason")
        if course.is_seen
        else course.not_treated or ""
    )
    return StuckPodRow(name, course.state, course.dag, course.task, course.end.ended_at if course.end else None, course.unended, recorded)
