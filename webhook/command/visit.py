"""``doctor``: one look at a cluster, and the report on it, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.command.explanation import BOLD, DIM, PLAIN
from webhook.doctor.diagnosis import diagnose
from webhook.doctor.examination import examine
from webhook.doctor.finding import Severity
from webhook.kube.client import connect_by_context
from webhook.kube.errors import KubeconfigError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from webhook.core import Catalogue
    from webhook.doctor.finding import Finding
    from webhook.kube.kubeconfig import Context
    from webhook.settings import Settings

COLOURS: Final = MappingProxyType(
    {Severity.OK: "\x1b[32m", Severity.NOTE: "\x1b[36m", Severity.WARNING: "\x1b[33m", Severity.PROBLEM: "\x1b[31m"}
)
WIDTH: Final = max(len(severity) for severity in Severity)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Args:
        context: Who asked whom.
        namespace: The namespace that was looked at.
        findings: In their order.

    """

    context: Context
    namespace: str
    findings: tuple[Finding, ...]

    @property
    def has_problem(self) -> bool:
        """Whether one of them is a problem."""
        return any(finding.severity is Severity.PROBLEM for finding in self.findings)

    def as_json(self) -> str:
        """For machines."""
        findings = [
            {"id": one.id, "severity": one.severity, "sentence": one.sentence, "remedy": one.remedy, "values": one.values}
            for one in self.findings
        ]
        head = {"server": self.context.server, "context": self.context.name, "namespace": self.namespace}
        return msgspec.json.format(msgspec.json.encode({**head, "findings": findings})).decode() + "\n"

    def as_text(self, *, colour: bool) -> str:
        """For people: a finding in a line, what to do about it below."""
        bold, dim, plain = (BOLD, DIM, PLAIN) if colour else ("", "", "")
        lines = [f"{bold}namespace {self.namespace}{plain} on {self.context.server} (context {self.context.name})"]
        for finding in self.findings:
            shade = COLOURS[finding.severity] if colour else ""
            lines.append(f"{shade}{finding.severity:<{WIDTH}}{plain} {finding.sentence} {dim}[{finding.id}]{plain}")
            if finding.remedy:
                lines.append(f"{'':<{WIDTH}} -> {finding.remedy}")
        return "\n".join(lines) + "\n"


def visit(settings: Settings, catalogue: Catalogue, context: str | None, namespace: str | None) -> Report:
    """Look at the cluster of the kubeconfig. KubeconfigError: it, or the API server that it names, cannot be used."""
    client, chosen = connect_by_context(context)
    place = namespace or chosen.namespace
    try:
        seen = examine(client, place, catalogue)
    except (UnreachableError, RefusedError) as error:
        message = f"the API server {chosen.server} cannot be asked: {error}"
        raise KubeconfigError(message) from error
    return Report(chosen, place, diagnose(seen, catalogue, settings.native_sidecars, settings.minimum_kubelet))
