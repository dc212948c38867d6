"""The text of ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.command.terminal import Style
from webhook.core import OPT_IN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.command.terminal import Palette
    from webhook.report.document import ReportDocument

TREATMENT_HEADINGS: Final = ("PODS", "TREATMENT", "REASON", "EXAMPLE", "MEANING")
STUCK_HEADINGS: Final = ("POD", "DAG", "TASK", "STUCK FOR", "CONTAINER", "REASON", "REMEDY")
FINDING_HEADINGS: Final = ("SEVERITY", "NAMESPACES", "FINDING, AND WHAT TO DO", "SEE")

MOST_ROWS: Final = 50
"""Of a table; the JSON has all."""

MOST_NAMES: Final = 3
"""Of namespaces in a row."""

BAR: Final = 40
"""Characters of the longest bar."""


def report_text(report: ReportDocument, palette: Palette) -> str:
    """A part for each question, the most frequent or most pressing first."""
    lines = [
        f"{palette.paint('task pods', Style.BOLD)} on {report.server} (context {report.context})",
        f"{report.pods:,} task pods in {len(report.namespaces):,} namespaces that have opted in; deleted ones are not counted",
    ]
    if not report.namespaces:
        lines.append(f"none has opted in: kubectl label namespace NAMESPACE {OPT_IN}")
    lines += _part(palette, "what became of them", TREATMENT_HEADINGS, list(_treatments(report)))
    stuck = f"stuck now: {len(report.stuck_pods):,}; slot-hours wasted so far: {report.stuck_slot_hours:,.1f}"
    lines += _part(palette, stuck, STUCK_HEADINGS, list(_stuck(report)))
    lines += _weeks(report, palette)
    lines += _part(palette, f"findings: {len(report.findings):,}", FINDING_HEADINGS, list(_findings(report)))
    not_read = [(one.namespace, one.failure) for one in report.namespaces if one.failure]
    lines += _part(palette, f"namespaces that cannot be listed: {len(not_read):,}", ("NAMESPACE", "WHY"), not_read)
    lines += _part(palette, "sidecars met", ("PODS", "CONTAINER", "END"), [(f"{s.pods:,}", s.name, s.end) for s in report.sidecars])
    lines += _part(palette, "versions of the webhook", ("PODS", "VERSION"), [(f"{pods:,}", name) for name, pods in report.versions.items()])
    return "\n".join(lines) + "\n"


def _part(palette: Palette, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield palette.paint(title, Style.BOLD)
    yield from palette.table(headings, rows[:MOST_ROWS], indent=2)
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS:,} more: -o json has all"


def _treatments(report: ReportDocument) -> Iterator[tuple[str, ...]]:
    for one in report.treatments:
        yield (f"{one.pods:,}", one.treatment, one.reason, one.example, f"{one.sentence} {one.remedy}".rstrip())


def _stuck(report: ReportDocument) -> Iterator[tuple[str, ...]]:
    for one in report.stuck_pods:
        pod, course = f"{one.namespace}/{one.name}", one.course
        yield (pod, course.dag, course.task, one.stuck_for(report.written_at), one.running, one.reason, one.remedy)


def _weeks(report: ReportDocument, palette: Palette) -> Iterator[str]:
    yield ""
    yield palette.paint(f"slot-hours wasted by all of them, by week: {report.slot_hours:,.1f} in {len(report.weeks)} weeks", Style.BOLD)
    longest = max((week.slot_hours for week in report.weeks), default=0) or 1
    for week in report.weeks:
        yield f"  {week.begins}  {week.slot_hours:>9,.1f}  {'#' * round(BAR * week.slot_hours / longest)}".rstrip()


def _findings(report: ReportDocument) -> Iterator[tuple[str, ...]]:
    for one in report.findings:
        yield (one.severity, _first_of(one.namespaces), f"{one.sentence} {one.remedy}".rstrip(), one.see)


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
