"""The report of ``doctor`` on a cluster, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from webhook.command.errors import UnusableError
from webhook.command.terminal import Style, printable
from webhook.doctor.checks import run_checks
from webhook.doctor.collector import CheckedWebhook, collect
from webhook.doctor.finding import Severity
from webhook.doctor.snapshot import SecretName
from webhook.kube.client import connect_by_context
from webhook.kube.errors import KubeconfigError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.terminal import Palette
    from webhook.core import Policy
    from webhook.doctor.finding import Finding
    from webhook.doctor.snapshot import ReaperAccount
    from webhook.kube.kubeconfig import Context
    from webhook.settings import Settings

STYLES: Final = MappingProxyType(
    {Severity.OK: Style.GREEN, Severity.NOTE: Style.CYAN, Severity.WARNING: Style.YELLOW, Severity.PROBLEM: Style.RED}
)
WIDTH: Final = max(len(severity) for severity in Severity)


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
    def has_problem(self) -> bool:
        """Whether a finding is a problem."""
        return any(finding.severity is Severity.PROBLEM for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        findings = [
            {
                "id": one.id,
                "severity": one.severity,
                "sentence": one.sentence,
                "remedy": one.remedy,
                "values": one.values,
                "steps": one.steps,
            }
            for one in self.findings
        ]
        return {"server": self.context.server, "context": self.context.name, "namespace": self.namespace, "findings": findings}

    def as_text(self, palette: Palette) -> str:
        """For people: a finding in a line; below it what to do, and where to read more."""
        place = palette.paint(f"namespace {self.namespace}", Style.BOLD)
        lines = [f"{place} on {self.context.server} (context {self.context.name})"]
        for finding in self.findings:
            severity = palette.paint(f"{finding.severity:<{WIDTH}}", STYLES[finding.severity])
            lines.append(f"{severity} {printable(finding.sentence)} {palette.paint(f'[{finding.id}]', Style.DIM)}")
            lines += [f"{'':<{WIDTH}} {line}" for line in _advice(finding, palette)]
        return "\n".join(lines) + "\n"


def _advice(finding: Finding, palette: Palette) -> Iterator[str]:
    if finding.remedy:
        yield f"-> {printable(finding.remedy)}"
        for step in finding.steps:
            yield f"   {printable(step.text)}"
            yield from [f"     {palette.paint(printable(step.line), Style.BOLD)}"] if step.line else []
        yield palette.paint(f"see: {finding.id.location}", Style.DIM)


def _checked_webhook(settings: Settings, policy: Policy) -> CheckedWebhook:
    is_self_managed = settings.certificates == "self-managed"
    authority = SecretName(settings.service_namespace, settings.ca_secret) if is_self_managed else None
    return CheckedWebhook(policy, settings.native_sidecars, settings.minimum_kubelet, authority)


def diagnose(settings: Settings, policy: Policy, context: str | None, namespace: str | None, reaper: ReaperAccount | None) -> DoctorReport:
    """Check the cluster of a context of the kubeconfig (None: the current one), and this reaper's rights.

    UnusableError: the cluster or the kubeconfig cannot be used.
    """
    try:
        client, used = connect_by_context(context)
    except KubeconfigError as error:
        raise UnusableError(str(error)) from error
    place = namespace or used.namespace
    try:
        snapshot = collect(client, place, replace(_checked_webhook(settings, policy), reaper=reaper), context)
    except (UnreachableError, RefusedError) as error:
        message = f"cannot read from the API server {used.server}: {error}"
        raise UnusableError(message) from error
    return DoctorReport(used, place, run_checks(snapshot, policy.catalogue, settings.native_sidecars, settings.minimum_kubelet))
