"""The report of ``reaper`` on its pass, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from webhook.command.terminal import Style, printable
from webhook.reaper.reason import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.terminal import Palette
    from webhook.reaper.reason import ReaperReason
    from webhook.reaper.sweep_report import ActRecord, PodReport, SweepProblem, SweepReport

STYLES: Final = MappingProxyType({Verdict.ACT: Style.GREEN, Verdict.LEAVE: Style.RED, Verdict.WAIT: Style.CYAN, Verdict.SKIP: Style.DIM})
HEADINGS: Final = ("NAMESPACE", "POD", "TASK", "PHASE", "REASON", "CONTAINERS", "ACTS")
GONE: Final = "gone"


@dataclass(frozen=True, slots=True)
class ReaperReport:
    """What a pass found and did.

    Args:
        sweep: The pass.
        is_dry: Whether it was to do nothing.

    """

    sweep: SweepReport
    is_dry: bool

    @property
    def has_problem(self) -> bool:
        """Whether a person has to do something."""
        return bool(self.sweep.problems) or any(_is_left(one) for one in self.sweep.pods)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "dry_run": self.is_dry,
            "pods": [_pod_json(one) for one in self.sweep.pods],
            "counts": {str(reason): count for reason, count in sorted(self.sweep.counts.items())},
            "problems": [_problem_json(one) for one in self.sweep.problems],
        }

    def as_text(self, palette: Palette) -> str:
        """For people: a pod in a line; below it each reason in words, what could not be done, and the number of pods."""
        lines = list(palette.table(HEADINGS, map(_row, self.sweep.pods))) if self.sweep.pods else []
        reasons = {one.decision.reason: None for one in self.sweep.pods}
        lines += [line for reason in reasons for line in _explained(reason, palette)]
        lines += [line for problem in self.sweep.problems for line in _explained_problem(problem, palette)]
        lines.append(self._summary())
        return "\n".join(lines) + "\n"

    def _summary(self) -> str:
        acted = sum(bool(one.acts) for one in self.sweep.pods)
        due = sum(one.decision.act is not None for one in self.sweep.pods)
        left = sum(_is_left(one) for one in self.sweep.pods)
        done = f"due, and not acted on: {due}" if self.is_dry else f"acted on: {acted}"
        return f"Running task pods: {sum(self.sweep.counts.values())}; {done}; left to a person: {left}"


def _is_left(report: PodReport) -> bool:
    return not report.is_gone and report.decision.reason.verdict is Verdict.LEAVE


def _phase(report: PodReport) -> str:
    return GONE if report.is_gone else report.pod.phase


def _task(report: PodReport) -> str:
    end = report.pod.task_end
    if end is None:
        return ""
    return f"exit {end.exit_code}" + (f" ({end.reason})" if end.reason not in {"", "Completed", "Error"} else "")


def _act(record: ActRecord) -> str:
    target = f" {record.container}" if record.container else ""
    return f"{record.method}{target}: {record.outcome} ({record.detail})"


def _row(report: PodReport) -> tuple[str, ...]:
    pod, decision = report.pod, report.decision
    acts = "; ".join(map(_act, report.acts))
    return (pod.namespace, pod.name, _task(report), _phase(report), decision.reason, ", ".join(decision.containers), acts)


def _explained(reason: ReaperReason, palette: Palette) -> Iterator[str]:
    yield f"{palette.paint(reason, STYLES[reason.verdict])}: {reason.sentence}"
    if reason.remedy:
        yield f"  -> {reason.remedy}"


def _explained_problem(problem: SweepProblem, palette: Palette) -> Iterator[str]:
    yield f"{palette.paint('problem', Style.RED)}: cannot {problem.what} in the namespace {problem.namespace}: {printable(problem.message)}"
    if problem.right:
        yield f"  -> Grant the right to {problem.right} in the namespace {problem.namespace}."


def _pod_json(report: PodReport) -> dict[str, Any]:
    pod, decision = report.pod, report.decision
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "origin": pod.origin,
        "exit_code": pod.task_end.exit_code if pod.task_end else None,
        "task_ended_at": pod.task_end.finished_at.isoformat() if pod.task_end and pod.task_end.finished_at else None,
        "phase": _phase(report),
        "verdict": decision.reason.verdict,
        "reason": decision.reason,
        "sentence": decision.reason.sentence,
        "remedy": decision.reason.remedy,
        "containers": decision.containers,
        "method": decision.act.method if decision.act else None,
        "acts": [{"method": one.method, "container": one.container, "outcome": one.outcome, "detail": one.detail} for one in report.acts],
    }


def _problem_json(problem: SweepProblem) -> dict[str, str]:
    return {"namespace": problem.namespace, "what": problem.what, "message": problem.message, "right": problem.right}
