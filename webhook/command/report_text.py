"""The text of ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.command.terminal import NotedRow, Style, counted
from webhook.core import OPT_IN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.command.terminal import Palette
    from webhook.report.document import ReportDocument

TREATMENT_HEADINGS: Final = ("PODS", "TREATMENT", "REASON", "EXAMPLE", "MEANING")
STUCK_HEADINGS: Final = ("POD", "DAG", "TASK", "STUCK FOR", "CONTAINER", "REASON", "REMEDY")
FINDING_HEADINGS: Final = ("SEVERITY", "FINDING", "NAMESPACES", "SEE", "WHAT WAS FOUND, AND WHAT TO DO")

MOST_ROWS: Final = 50
"""Of a table; the JSON has all."""

MOST_NAMES: Final = 3
"""Of namespaces in a row."""

BAR: Final = 40
"""Characters of the longest bar."""


def report_text(report: ReportDocument, palette: Palette) -> str:
    """A part for each question, the most frequent or most pressing first."""
    not_read = [(one.namespace, one.failure) for one in report.namespaces if one.failure]
    lines = [*_head(report, len(not_read), palette)]
    if report.treatments:
        lines += _noted_part(palette, "what became of them", TREATMENT_HEADINGS, list(_treatments(report)))
    stuck = f"stuck now: {len(report.stuck_pods):,}; slot-hours wasted so far: {report.stuck_slot_hours:,.1f}"
    lines += _noted_part(palette, stuck, STUCK_HEADINGS, list(_stuck(report)))
    lines += _weeks(report, palette)
    lines += _noted_part(palette, f"findings: {len(report.findings):,}", FINDING_HEADINGS, list(_findings(report)))
    if not_read:
        lines += _part(palette, f"namespaces that cannot be listed: {len(not_read):,}", ("NAMESPACE", "WHY"), not_read)
    if report.sidecars:
        lines += _part(palette, "sidecars met", ("PODS", "CONTAINER", "END"), [(f"{s.pods:,}", s.name, s.end) for s in report.sidecars])
    if report.versions:
        versions = [(f"{pods:,}", name) for name, pods in report.versions.items()]
        lines += _part(palette, "versions of the webhook", ("PODS", "VERSION"), versions)
    return "\n".join(lines) + "\n"


def _head(report: ReportDocument, not_read: int, palette: Palette) -> Iterator[str]:
    yield f"{palette.paint('task pods', Style.BOLD)} on {report.server} (context {report.context})"
    where = f"{counted(len(report.namespaces), 'namespace')} with the label {OPT_IN}"
    not_listed = f", of which {not_read:,} cannot be listed" if not_read else ""
    yield f"{counted(report.pods, 'task pod')} in {where}{not_listed}; deleted pods are not counted"
    if not report.namespaces:
        yield f"no namespace has opted in: kubectl label namespace NAMESPACE {OPT_IN}, or see webhook.namespaces of the chart"


def _part(palette: Palette, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from ("", palette.paint(title, Style.BOLD))
    yield from palette.table(headings, rows[:MOST_ROWS], indent=2)
    yield from _more(rows)


def _noted_part(palette: Palette, title: str, headings: Sequence[str], rows: Sequence[NotedRow]) -> Iterator[str]:
    """Without rows the title alone, which says so."""
    yield from ("", palette.paint(title, Style.BOLD))
    if rows:
        yield from palette.noted_table(headings, rows[:MOST_ROWS], indent=2)
    yield from _more(rows)


def _more(rows: Sequence[object]) -> Iterator[str]:
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS:,} more: -o json has all"


def _treatments(report: ReportDocument) -> Iterator[NotedRow]:
    for one in report.treatments:
        cells = (f"{one.pods:,}", one.treatment, one.reason, one.example)
        yield NotedRow(cells, f"{one.treatment} ({one.reason})", f"{one.sentence} {one.remedy}".rstrip())


def _stuck(report: ReportDocument) -> Iterator[NotedRow]:
    for one in report.stuck_pods:
        pod, course = f"{one.namespace}/{one.name}", one.course
        yield NotedRow((pod, course.dag, course.task, one.stuck_for(report.written_at), one.unended, one.reason), pod, one.remedy)


def _weeks(report: ReportDocument, palette: Palette) -> Iterator[str]:
    yield ""
    yield palette.paint(f"slot-hours wasted by all task pods in {len(report.weeks)} weeks: {report.slot_hours:,.1f}", Style.BOLD)
    longest = max((week.slot_hours for week in report.weeks), default=0)
    for week in report.weeks if longest else ():
        yield f"  {week.begins}  {week.slot_hours:>9,.1f}  {'#' * round(BAR * week.slot_hours / longest)}".rstrip()


def _findings(report: ReportDocument) -> Iterator[NotedRow]:
    for one in report.findings:
        yield NotedRow((one.severity, one.id, _first_of(one.namespaces), one.see), one.id, f"{one.sentence} {one.remedy}".rstrip())


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
