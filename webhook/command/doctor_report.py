"""The report of ``doctor`` on a namespace, for people, for scripts and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from webhook.command.doctor_document import VERSION, DoctorDocument, ReportedFinding
from webhook.command.exit_code import ExitCode
from webhook.command.terminal import Style, printable
from webhook.doctor.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.terminal import Palette
    from webhook.doctor.finding import Finding
    from webhook.kube.kubeconfig import Context

STYLES: Final = MappingProxyType(
    {Severity.OK: Style.GREEN, Severity.NOTE: Style.CYAN, Severity.WARNING: Style.YELLOW, Severity.PROBLEM: Style.RED}
)
WIDTH: Final = max(len(severity) for severity in Severity)
NO_FINDINGS: Final = "-"


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The findings on a namespace of a cluster.

    Args:
        context: The context of the kubeconfig that was used.
        namespace: The namespace of the task pods.
        findings: In the order of the checks.

    """

    context: Context
    namespace: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self._of(Severity.PROBLEM):
            return ExitCode.PROBLEM
        return ExitCode.INCOMPLETE if self._gaps else ExitCode.DONE

    def as_document(self) -> DoctorDocument:
        """For machines."""
        findings = tuple(map(_reported, self.findings))
        return DoctorDocument(VERSION, self.context.server, self.context.name, self.namespace, not self._gaps, findings)

    def as_line(self) -> str:
        """For scripts."""
        problems, warnings = self._of(Severity.PROBLEM), self._of(Severity.WARNING)
        ids = ",".join(dict.fromkeys(one.id for one in (*problems, *warnings)))
        counts = {"problems": len(problems), "warnings": len(warnings), "not-checked": len(self._gaps), "findings": ids or NO_FINDINGS}
        return " ".join(
            [self.exit_code.word, f"namespace={printable(self.namespace)}", *(f"{name}={count}" for name, count in counts.items())]
        )

    def as_text(self, palette: Palette) -> str:
        """For people: a finding in a line; below it what to do, and where to read more."""
        place = palette.paint(f"namespace {self.namespace}", Style.BOLD)
        lines = [f"{place} on {self.context.server} (context {self.context.name})"]
        for finding in self.findings:
            severity = palette.paint(f"{finding.severity:<{WIDTH}}", STYLES[finding.severity])
            lines.append(f"{severity} {printable(finding.sentence)} {palette.paint(f'[{finding.id}]', Style.DIM)}")
            lines += [f"{'':<{WIDTH}} {line}" for line in _advice(finding, palette)]
        return "\n".join(lines) + "\n"

    @property
    def _gaps(self) -> list[Finding]:
        return [one for one in self.findings if one.id.is_gap]

    def _of(self, severity: Severity) -> list[Finding]:
        return [one for one in self.findings if one.severity is severity]


def _reported(one: Finding) -> ReportedFinding:
    return ReportedFinding(one.id, one.severity, one.sentence, one.remedy, one.steps, one.values, one.id.location)


def _advice(finding: Finding, palette: Palette) -> Iterator[str]:
    if finding.remedy:
        yield f"-> {printable(finding.remedy)}"
    for step in finding.steps:
        yield f"   {printable(step.text)}"
        yield from [f"     {palette.paint(printable(step.line), Style.BOLD)}"] if step.line else []
    if finding.severity is not Severity.OK:
        yield palette.paint(f"see: {finding.id.location}", Style.DIM)
