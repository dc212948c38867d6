"""The report of ``doctor -A`` on all namespaces that have opted in, for people, for scripts and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.command.doctor_document import VERSION, FleetDocument
from webhook.command.exit_code import ExitCode
from webhook.command.terminal import HOW_TO_END, NotedRow, Style, counted
from webhook.core import OPT_IN
from webhook.course.stuck_pod import longest_first
from webhook.course.wasted_time import slot_hours

if TYPE_CHECKING:
    from datetime import datetime

    from webhook.command.terminal import Palette
    from webhook.course.stuck_pod import StuckPod
    from webhook.doctor.fleet import Fleet, NamespaceCount
    from webhook.kube.kubeconfig import Context

HEADINGS: Final = ("NAMESPACE", "POD", "DAG", "TASK", "STUCK FOR", "CONTAINER", "REASON", "REMEDY")
NOT_LISTED: Final = "not-listed"
"""Stands for the reason in the row of a namespace that cannot be listed."""


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The stuck pods of a cluster.

    Args:
        context: The context of the kubeconfig that was used.
        fleet: What was read.
        now: When.

    """

    context: Context
    fleet: Fleet
    now: datetime

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self.fleet.stuck:
            return ExitCode.PROBLEM
        return ExitCode.INCOMPLETE if self._not_listed else ExitCode.DONE

    @property
    def stuck_slot_hours(self) -> float:
        """What the stuck pods have wasted."""
        return slot_hours(one.wasted_time(self.now) for one in self.fleet.stuck)

    def as_document(self) -> FleetDocument:
        """For machines."""
        return FleetDocument(
            version=VERSION,
            server=self.context.server,
            context=self.context.name,
            is_complete=not self._not_listed,
            namespaces=self.fleet.namespaces,
            stuck_pods=longest_first(self.fleet.stuck),
            stuck_slot_hours=round(self.stuck_slot_hours, 2),
        )

    def as_line(self) -> str:
        """For scripts."""
        counts = {
            "namespaces": len(self.fleet.namespaces),
            "not-listed": len(self._not_listed),
            "running": self._running,
            "stuck": len(self.fleet.stuck),
            "slot-hours": f"{self.stuck_slot_hours:.1f}",
        }
        return " ".join([self.exit_code.word, *(f"{name}={count}" for name, count in counts.items())])

    def as_text(self, palette: Palette) -> str:
        """For people: a stuck pod in a row, then the namespaces that cannot be listed, then the sums."""
        lines = [f"{palette.paint('namespaces that have opted in', Style.BOLD)} on {self.context.server} (context {self.context.name})"]
        if not self.fleet.namespaces:
            return "\n".join([*lines, f"none: kubectl label namespace NAMESPACE {OPT_IN}, or see webhook.namespaces of the chart"]) + "\n"
        rows = [*map(self._row, longest_first(self.fleet.stuck)), *map(_row_of_namespace, self._not_listed)]
        lines += [*palette.noted_table(HEADINGS, rows), ""] if rows else []
        lines.append(self._sums(palette))
        if self.fleet.stuck:
            lines.append(HOW_TO_END)
        return "\n".join(lines) + "\n"

    @property
    def _not_listed(self) -> list[NamespaceCount]:
        return [one for one in self.fleet.namespaces if one.failure]

    @property
    def _running(self) -> int:
        return sum(one.running for one in self.fleet.namespaces)

    def _sums(self, palette: Palette) -> str:
        stuck = palette.paint(f"stuck: {len(self.fleet.stuck):,}", Style.RED if self.fleet.stuck else Style.GREEN)
        not_listed = f", of which {len(self._not_listed):,} cannot be listed" if self._not_listed else ""
        return (
            f"{stuck}; Running: {self._running:,} task pods in {counted(len(self.fleet.namespaces), 'namespace')}{not_listed}; "
            f"slot-hours wasted: {self.stuck_slot_hours:,.1f}"
        )

    def _row(self, one: StuckPod) -> NotedRow:
        stuck_for = one.stuck_for(self.now)
        cells = (one.namespace, one.name, one.course.dag, one.course.task, stuck_for, one.unended, one.reason)
        return NotedRow(cells, f"{one.namespace}/{one.name}", one.remedy)


def _row_of_namespace(one: NamespaceCount) -> NotedRow:
    return NotedRow((one.namespace, "", "", "", "", "", NOT_LISTED), one.namespace, f"The pods cannot be listed: {one.failure}")
