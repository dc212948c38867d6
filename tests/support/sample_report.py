"""A report with everything that it can have, for tests of how it looks."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tests.support.live_pods import FLUENT_BIT, ISTIO, RUNNING, annotated, ended, live_pod
from tests.support.pods import ABLE_CLUSTER
from webhook.core import default_policy, read_progress
from webhook.course.stuck_pod import StuckPod, StuckPodReader
from webhook.doctor.finding import Severity
from webhook.doctor.fleet import NamespaceCount
from webhook.report.document import FoundInNamespaces, ReportDocument, SidecarCount, TreatmentCount, WeekCount

NOW: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
MONDAY: Final = date(2025, 12, 15)
HOURS: Final = (0, 31.5, 44, 12.25, 0, 3, 140, 171.5, 96, 64.25, 22, 9.5)
LONG: Final = "a-name-as-long-as-names-may-be-" * 8
"""Without a place to break it."""


def sample_report(name: str = "nightly-load-x7k2p") -> ReportDocument:
    """The report; the first stuck pod has this name."""
    return ReportDocument(
        version=1,
        written_at=NOW,
        server="https://api.example.com:6443",
        context="production",
        is_complete=False,
        namespaces=(NamespaceCount("airflow", 214, 2), NamespaceCount("closed", 0, 0, "403 pods is forbidden: User me cannot list pods")),
        pods=5187,
        treatments=(
            TreatmentCount(
                "native", "sidecars-native", "The sidecars are native: they start first, and end with the task.", "", 4120, "airflow/a"
            ),
            TreatmentCount("wrapped", "sidecars-quit", "The main container waits for its sidecars, then ends them.", "", 803, "airflow/b"),
            TreatmentCount("audited", "sidecars-quit", "Nothing was changed. It would be wrapped.", "", 190, "airflow/e"),
            TreatmentCount("not seen", "no-status", "The pod does not carry the webhook's status.", "", 148, "airflow/c"),
            TreatmentCount(
                "left", "no-quit", "No sidecar has a quit request.", "explain -n airflow pod/d prints what to do.", 116, "airflow/d"
            ),
        ),
        stuck_pods=(_stuck(name, 9, ISTIO), _stuck("report-mail-2wq8r", 30, FLUENT_BIT)),
        stuck_slot_hours=39,
        weeks=tuple([WeekCount(MONDAY + timedelta(weeks=number), one, round(one)) for number, one in enumerate(HOURS)]),
        sidecars=(
            SidecarCount("istio-proxy", "native", 4120),
            SidecarCount("vault-agent", "quit", 803),
            SidecarCount("logs", "keeps-running", 116),
        ),
        versions={"0.1.0": 5039},
        findings=(
            FoundInNamespaces(
                "webhook-order",
                Severity.WARNING,
                "The webhook is called before an injector that is not called again.",
                "Name the configuration so that it comes last.",
                "docs/findings.md#webhook-order",
                ("airflow", "closed"),
            ),
        ),
    )


def _stuck(name: str, hours: int, beside: dict[str, object]) -> StuckPod:
    pod = live_pod({"base": ended(at=NOW - timedelta(hours=hours)), str(beside["name"]): RUNNING}, beside)
    pod["metadata"]["name"] = name
    data = json.dumps(annotated(pod, status=json.dumps({"treatment": "left", "reason": "no-quit", "version": "0.1.0"}))).encode()
    progress = read_progress(data, default_policy().catalogue)
    assert progress is not None
    found = StuckPodReader(default_policy(), ABLE_CLUSTER, None, NOW).read(data, progress)
    assert found is not None
    return found
