"""The alerts: one row each. The rule file in the chart is made from them, and docs/alerts.md has a place for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import yaml

from manifests.queries import API_SERVER_SECONDS, FAIL_OPEN, REFUSED, REVIEW_SECONDS, growth, pods, quantile, stuck
from webhook.reaper.metrics import PREFIX as REAPER
from webhook.server.metrics import PREFIX as SERVICE

RUNBOOK: Final = "docs/alerts.md"
"""The page with a place for each alert. The chart's value ``prometheusRule.runbook`` replaces it in the links."""

GROUP: Final = "airflow-sidecar-webhook"

DAY: Final = 24 * 60 * 60
RENEWAL_FAILED: Final = 3 * DAY // 2
"""Seconds. A self-managed certificate lives seven days and is replaced two days before its end, or earlier."""

OWN_FILES: Final = 7 * DAY
"""Seconds. Certificate files may be renewed by hand, so there has to be time for it."""


class Urgency(StrEnum):
    """The label ``severity`` by which Alertmanager routes: who is notified, and when."""

    CRITICAL = "critical"
    """Somebody is woken."""

    WARNING = "warning"
    """Somebody looks in working hours."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Args:
        name: Its name.
        symptom: What is seen, without the names of metrics: the heading in `RUNBOOK`.
        query: Returns a series for each thing to alert about.
        lasts: How long it has to be so, in Prometheus' notation; empty: at once.
        urgency: How urgent it is.
        sentence: What is wrong, with the alert's labels and value in Go's templates.

    """

    name: str
    symptom: str
    query: str
    lasts: str
    urgency: Urgency
    sentence: str

    @property
    def place(self) -> str:
        """The anchor of its heading, as GitHub makes it."""
        return re.sub(r"[^\w\- ]", "", self.symptom.lower()).replace(" ", "-")

    def rule(self) -> dict[str, object]:
        """The alerting rule."""
        return {
            "alert": self.name,
            "expr": self.query,
            **({"for": self.lasts} if self.lasts else {}),
            "labels": {"severity": str(self.urgency)},
            "annotations": {"summary": self.symptom, "description": self.sentence, "runbook_url": f"{RUNBOOK}#{self.place}"},
        }


COUNT: Final = '{{ $value | printf "%.0f" }}'
NOT_AFTER: Final = f"{SERVICE}_certificate_not_after_timestamp_seconds"

ALERTS: Final = (
    Alert(
        "AirflowSidecarWebhookDown",
        "No replica of the webhook is ready",
        f"absent({SERVICE}_ready == 1)",
        "5m",
        Urgency.CRITICAL,
        "No replica of airflow-sidecar-webhook is ready, or Prometheus reads none. Task pods start unpatched, and stay Running beside "
        "their sidecars; with failClosed they are refused.",
    ),
    Alert(
        "AirflowSidecarWebhookFailOpen",
        "Task pods are created without the webhook",
        f"sum({growth(FAIL_OPEN, '15m')}) > 0",
        "",
        Urgency.CRITICAL,
        f"Calls of the API server to airflow-sidecar-webhook failed for {COUNT} pods in 15 minutes. These pods start unpatched.",
    ),
    Alert(
        "AirflowSidecarWebhookPodsRefused",
        "Task pods are refused because of the webhook",
        f"sum by (error_type) ({growth(REFUSED, '15m')}) > 0",
        "",
        Urgency.CRITICAL,
        f"The API server refused {COUNT} pods in 15 minutes because of airflow-sidecar-webhook ({{{{ $labels.error_type }}}}).",
    ),
    Alert(
        "AirflowSidecarWebhookFault",
        "The webhook has a bug",
        f"sum({growth(f'{SERVICE}_faults_total', '15m')}) > 0",
        "",
        Urgency.WARNING,
        f"{COUNT} reviews in 15 minutes failed inside airflow-sidecar-webhook. Their pods start unpatched, unless on_fault is error.",
    ),
    Alert(
        "AirflowSidecarWebhookPodsLeft",
        "Task pods are left as they are",
        f"""{pods("namespace, reason", "1h", 'treatment="left"')} > 0""",
        "",
        Urgency.WARNING,
        f"{COUNT} task pods in the namespace {{{{ $labels.namespace }}}} were left in an hour: {{{{ $labels.reason }}}}. "
        "They may stay Running beside a sidecar.",
    ),
    Alert(
        "AirflowSidecarWebhookPodsStuck",
        "Task pods stay Running after their task",
        f"({stuck()}) > 0",
        "15m",
        Urgency.WARNING,
        f"{COUNT} pods in the namespace {{{{ $labels.namespace }}}} stay Running although their task has ended"
        "{{ with $labels.reason }} ({{ . }}){{ end }}. Each occupies a slot of Airflow.",
    ),
    Alert(
        "AirflowSidecarWebhookCertificateExpires",
        "The serving certificate is about to expire",
        f"min({NOT_AFTER}) - time() < {RENEWAL_FAILED} or min({NOT_AFTER}) - time() < {OWN_FILES} unless on () {SERVICE}_ca_bundle_in_sync",
        "15m",
        Urgency.CRITICAL,
        "A replica of airflow-sidecar-webhook has a certificate that expires in {{ $value | humanizeDuration }}. "
        "Then no API server calls it any more.",
    ),
    Alert(
        "AirflowSidecarWebhookCaBundleOutOfSync",
        "The caBundle does not match the certificate",
        f"min({SERVICE}_ca_bundle_in_sync) == 0",
        "15m",
        Urgency.CRITICAL,
        "The caBundle of the MutatingWebhookConfiguration lacks an authority of airflow-sidecar-webhook, or there is no configuration: "
        "API servers do not trust the webhook.",
    ),
    Alert(
        "AirflowSidecarWebhookClusterNotRead",
        "The cluster's state is old",
        f"time() - min by (resource) ({SERVICE}_cluster_last_read_timestamp_seconds) > 600"
        f" or time() - min({SERVICE}_certificate_last_read_timestamp_seconds) > 600"
        f" or time() - min by (resource, namespace) ({REAPER}_watch_last_read_timestamp_seconds) > 600",
        "5m",
        Urgency.WARNING,
        "A replica last read {{ with $labels.resource }}{{ . }}{{ else }}its Secret and webhook configuration{{ end }} "
        "{{ $value | humanizeDuration }} ago. It decides by the state of that time.",
    ),
    Alert(
        "AirflowSidecarWebhookSlow",
        "Task pods are created slowly",
        f"{quantile(0.99, API_SERVER_SECONDS, '10m')} > 1 or {quantile(0.99, REVIEW_SECONDS, '10m')} > 0.1",
        "10m",
        Urgency.WARNING,
        "One call in a hundred to airflow-sidecar-webhook takes {{ $value | humanizeDuration }} or longer. "
        "The creation of each task pod waits for it.",
    ),
    Alert(
        "AirflowSidecarWebhookReaperNotActing",
        "No replica of the reaper acts",
        f"max({REAPER}_is_leader) == 0",
        "10m",
        Urgency.WARNING,
        "Replicas of the reaper run, and none holds the Lease: nobody ends the pods that are stuck.",
    ),
)
"""Every alert."""

HEAD: Final = (
    "# Made by `python -m manifests.generate` from manifests/alerts.py; edit there. Prometheus reads it as it is, as a rule file.\n"
)


def rule_file() -> str:
    """The rule file."""
    document = {"groups": [{"name": GROUP, "rules": [alert.rule() for alert in ALERTS]}]}
    return HEAD + yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True)
