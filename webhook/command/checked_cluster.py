"""A cluster that ``doctor`` and ``report`` check: one namespace, or all that have opted in; once, or until no problem is found."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from webhook.command.doctor_report import DoctorReport
from webhook.command.exit_code import ExitCode
from webhook.command.fleet_report import FleetReport
from webhook.command.live_pods import connect_as_user, named_problems
from webhook.command.progress_line import progress_line
from webhook.course.stuck_pod import StuckPodReader, longest_first
from webhook.course.wasted_time import slot_hours
from webhook.doctor.checks import run_checks, unreadable
from webhook.doctor.collector import CheckedWebhook, collect, read_cluster_wide, read_webhooks
from webhook.doctor.fleet import list_called, read_fleet, read_whole_fleet
from webhook.doctor.installed_settings import checked_settings
from webhook.doctor.snapshot import SecretName
from webhook.kube.errors import UnreachableError
from webhook.report.document import ReportDocument
from webhook.report.finding_sum import FindingSum
from webhook.report.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.command.doctor_document import DoctorDocument, FleetDocument
    from webhook.command.terminal import Palette
    from webhook.doctor.collector import ClusterWide
    from webhook.doctor.finding import Finding
    from webhook.doctor.fleet import Fleet
    from webhook.doctor.installed_settings import CheckedSettings
    from webhook.doctor.snapshot import ReaperAccount
    from webhook.kube.client import KubernetesClient
    from webhook.kube.kubeconfig import Context
    from webhook.settings import Settings

POLL_SECONDS: Final = 5.0
"""Between two checks: each takes some requests, and what is waited for takes minutes."""


class CheckResult(Protocol):
    """What ``doctor`` found."""

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""

    def as_document(self) -> DoctorDocument | FleetDocument:
        """For machines."""

    def as_line(self) -> str:
        """For scripts."""

    def as_text(self, palette: Palette) -> str:
        """For people."""


@dataclass(frozen=True, slots=True)
class CheckedCluster:
    """The cluster of a context of the kubeconfig, with the checks of it.

    Args:
        client: Of that cluster.
        used: The context.
        context: As it was named on the command line, for the lines of kubectl; None: the current one.
        given: The settings that the user gives.

    """

    client: KubernetesClient
    used: Context
    context: str | None
    given: Settings

    def settings(self) -> CheckedSettings:
        """The settings by which it is checked. UnusableError, SettingsError."""
        with named_problems(self.used.server):
            return checked_settings(self.client, self.given, read_webhooks(self.client))

    def namespace(self, name: str | None, reaper: ReaperAccount | None) -> DoctorReport:
        """Check a namespace (None: that of the context), and this reaper's rights. UnusableError, SettingsError."""
        place = name or self.used.namespace
        with named_problems(self.used.server):
            cluster_wide = read_cluster_wide(self.client)
            checked = checked_settings(self.client, self.given, cluster_wide.webhooks)
            findings = self._findings(place, checked, _checked_webhook(checked, reaper), cluster_wide)
        return DoctorReport(self.used, place, findings)

    def _findings(
        self, namespace: str, checked: CheckedSettings, webhook: CheckedWebhook, cluster_wide: ClusterWide
    ) -> tuple[Finding, ...]:
        snapshot = replace(collect(self.client, namespace, webhook, cluster_wide, self.context), settings=checked.origin)
        return run_checks(snapshot, checked.policy.catalogue, webhook.native_sidecars, webhook.minimum_kubelet)

    def fleet(self) -> FleetReport:
        """Read the stuck pods of all namespaces that have opted in. UnusableError, SettingsError."""
        with named_problems(self.used.server), progress_line() as show:
            cluster_wide, now = read_cluster_wide(self.client), datetime.now(UTC)
            checked = checked_settings(self.client, self.given, cluster_wide.webhooks)
            names = list_called(self.client, cluster_wide.webhooks)
            fleet = read_fleet(self.client, names, self._stuck_pod_reader(checked, cluster_wide, now), show)
        return FleetReport(self.used, fleet, now)

    def _stuck_pod_reader(self, checked: CheckedSettings, cluster_wide: ClusterWide, now: datetime) -> StuckPodReader:
        settings = checked.settings
        cluster = cluster_wide.cluster(settings.native_sidecars, settings.minimum_kubelet, checked.policy.catalogue)
        return StuckPodReader(checked.policy, cluster, self.context, now)

    def report(self) -> ReportDocument:
        """Add up all task pods of all namespaces that have opted in, and check each namespace. UnusableError, SettingsError."""
        with named_problems(self.used.server), progress_line() as show:
            cluster_wide, now = read_cluster_wide(self.client), datetime.now(UTC)
            checked = checked_settings(self.client, self.given, cluster_wide.webhooks)
            reader = self._stuck_pod_reader(checked, cluster_wide, now)
            tally = Tally(now, reader.why_skipped)
            fleet = read_whole_fleet(self.client, list_called(self.client, cluster_wide.webhooks), reader, tally.add, show)
            findings = self._findings_of(fleet, checked, cluster_wide, show)
        is_complete = findings.is_complete and not any(one.failure for one in fleet.namespaces)
        return ReportDocument(
            version=1,
            written_at=now,
            server=self.used.server,
            context=self.used.name,
            is_complete=is_complete,
            namespaces=fleet.namespaces,
            pods=tally.pods,
            treatments=tally.treatments(),
            stuck_pods=longest_first(fleet.stuck),
            stuck_slot_hours=round(slot_hours(one.wasted_time(now) for one in fleet.stuck), 2),
            weeks=tally.weeks(),
            sidecars=tally.sidecars(),
            versions=tally.versions(),
            findings=findings.sums(),
        )

    def _findings_of(self, fleet: Fleet, checked: CheckedSettings, cluster_wide: ClusterWide, show: Callable[[str], None]) -> FindingSum:
        """Those on each namespace; one that cannot be checked stops nothing."""
        findings, webhook = FindingSum(), _checked_webhook(checked, None)
        for number, one in enumerate(fleet.namespaces):
            show(f"checks: {number:,} of {len(fleet.namespaces):,} namespaces")
            try:
                findings.add(one.namespace, self._findings(one.namespace, checked, webhook, cluster_wide))
            except UnreachableError as problem:
                findings.add(one.namespace, [unreadable(one.namespace, problem)])
        return findings


def checked_cluster_of(context: str | None, given: Settings) -> CheckedCluster:
    """The cluster of this context (None: the current one). UnusableError."""
    client, used = connect_as_user(context)
    return CheckedCluster(client, used, context, given)


def until_no_problem(
    check: Callable[[], CheckResult],
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> CheckResult:
    """Check until no problem is found, or for so many seconds; the last result. UnusableError, SettingsError.

    ``now`` is a monotonic clock, in seconds, on which ``sleep`` lets time pass.
    """
    end = now() + seconds
    with progress_line(now) as show:
        while True:
            result, left = check(), end - now()
            if result.exit_code is not ExitCode.PROBLEM or left <= 0:
                return result
            show(f"waiting for at most {left:.0f} s more: {result.as_line()}")
            sleep(min(POLL_SECONDS, left))


def _checked_webhook(checked: CheckedSettings, reaper: ReaperAccount | None) -> CheckedWebhook:
    settings = checked.settings
    is_self_managed = settings.certificates == "self-managed"
    authority = SecretName(settings.service_namespace, settings.ca_secret) if is_self_managed else None
    return CheckedWebhook(checked.policy, settings.native_sidecars, settings.minimum_kubelet, authority, reaper)
