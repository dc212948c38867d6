"""Each alert fires when it should and not otherwise, by Prometheus' own tool; each has a place in the runbook, and metrics that exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from docs import generate_alerts
from manifests.alerts import ALERTS, RUNBOOK, Alert, rule_file
from manifests.generate import ALERTS as RULES
from manifests.rendering import CHART
from tests.project.test_docs import ROOT, anchor
from tests.support.promtool import AlertSituation, evaluate, promtool
from webhook.reaper.metrics import ReaperMetrics
from webhook.server.metrics import Metrics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject

SERVICE: Final = "airflow_sidecar_webhook"
REAPER: Final = f"{SERVICE}_reaper"
NAME: Final = 'name="pods.airflow-sidecar-webhook.io"'
FAIL_OPEN: Final = f"apiserver_admission_webhook_fail_open_count{{{NAME}}}"
OTHERS_FAIL_OPEN: Final = 'apiserver_admission_webhook_fail_open_count{name="others.example.com"}'
LEFT: Final = '{namespace="airflow", treatment="left", reason="no-quit", instance="%s"}'
ENDED: Final = 'kube_pod_container_status_terminated{namespace="airflow", pod="%s", container="%s"}'
PHASE: Final = 'kube_pod_status_phase{namespace="airflow", pod="%s", phase="%s"}'


def refused(error_type: str) -> str:
    """The API server's counter of refused pods."""
    return f'apiserver_admission_webhook_rejection_count{{{NAME}, error_type="{error_type}"}}'


def buckets(metric: str, labels: str, within: str, all_of: str) -> dict[str, str]:
    """A histogram with two buckets."""
    return {f'{metric}_bucket{{{labels}le="{le}"}}': values for le, values in (("0.05", within), ("2.5", all_of), ("+Inf", all_of))}


WITH_REASON: Final = {"namespace": "airflow", "reason": "no-quit"}
STUCK: Final = f'{REAPER}_stuck_pods{{namespace="airflow", reason="quit", pod="reaper-1"}}'
BASE_ENDED: Final = {ENDED % ("sales", "base"): "1x60", PHASE % ("sales", "Running"): "1x60"}

SITUATIONS: Final[dict[str, tuple[AlertSituation, ...]]] = {
    "AirflowSidecarWebhookDown": (
        AlertSituation({f'{SERVICE}_ready{{instance="a"}}': "0x20", f'{SERVICE}_ready{{instance="b"}}': "0x20"}, 10, [{}]),
        AlertSituation({}, 10, [{}]),
        AlertSituation({f'{SERVICE}_ready{{instance="a"}}': "0x20", f'{SERVICE}_ready{{instance="b"}}': "1x20"}, 10),
        AlertSituation({f'{SERVICE}_ready{{instance="a"}}': "1x6 0x2 1x9"}, 9),
    ),
    "AirflowSidecarWebhookFailOpen": (
        AlertSituation({FAIL_OPEN: "_x20 1x20"}, 22, [{}]),
        AlertSituation({FAIL_OPEN: "3x20 4x20"}, 22, [{}]),
        AlertSituation({FAIL_OPEN: "3x60", OTHERS_FAIL_OPEN: "0+1x60"}, 40),
        AlertSituation({FAIL_OPEN: "_x20 1x40"}, 40),
    ),
    "AirflowSidecarWebhookPodsRefused": (
        AlertSituation({refused("apiserver_internal_error"): "_x20 1x20"}, 22, [{"error_type": "apiserver_internal_error"}]),
        AlertSituation({refused("no_error"): "0+1x40"}, 30),
        AlertSituation({refused("calling_webhook_error"): "7x60"}, 40),
    ),
    "AirflowSidecarWebhookFault": (
        AlertSituation({f'{SERVICE}_faults_total{{instance="a"}}': "0x20 1x20"}, 22, [{}]),
        AlertSituation({f'{SERVICE}_faults_total{{instance="a"}}': "2x60", f'{SERVICE}_faults_total{{instance="b"}}': "0x60"}, 40),
    ),
    "AirflowSidecarWebhookPodsLeft": (
        AlertSituation(
            {f"{SERVICE}_pods_total{LEFT % 'a'}": "_x90 1x20", f"{SERVICE}_reclassified_pods_total{LEFT % 'a'}": "_x90 0x20"},
            95,
            [WITH_REASON],
        ),
        AlertSituation(
            {f"{SERVICE}_pods_total{LEFT % 'a'}": "5x90 6x20", f"{SERVICE}_reclassified_pods_total{LEFT % 'a'}": "0x110"},
            95,
            [WITH_REASON],
        ),
        # The second review of the same pod, by another replica, found that it ends.
        AlertSituation(
            {
                f"{SERVICE}_pods_total{LEFT % 'a'}": "_x90 1x20",
                f"{SERVICE}_reclassified_pods_total{LEFT % 'a'}": "_x90 0x20",
                f"{SERVICE}_pods_total{LEFT % 'b'}": "_x90 0x20",
                f"{SERVICE}_reclassified_pods_total{LEFT % 'b'}": "_x90 1x20",
            },
            95,
        ),
        AlertSituation(
            {
                f"{SERVICE}_pods_total{LEFT % 'a'}": "5x200",
                f"{SERVICE}_reclassified_pods_total{LEFT % 'a'}": "0x200",
                f'{SERVICE}_pods_total{{namespace="airflow", treatment="native", reason="sidecars-native"}}': "0+1x200",
            },
            150,
        ),
    ),
    "AirflowSidecarWebhookPodsStuck": (
        AlertSituation({STUCK: "_x5 2x40", f"{REAPER}_is_leader": "1x60"}, 30, [{"namespace": "airflow", "reason": "quit"}]),
        AlertSituation(BASE_ENDED, 30, [{"namespace": "airflow"}]),
        AlertSituation({STUCK: "_x5 2x8 _x40", f"{REAPER}_is_leader": "1x60"}, 30),
        AlertSituation({**BASE_ENDED, f"{REAPER}_is_leader": "1x60"}, 30),
        AlertSituation(
            {ENDED % ("sales", "base"): "1x60", PHASE % ("sales", "Running"): "0x60", PHASE % ("sales", "Succeeded"): "1x60"}, 30
        ),
        AlertSituation({ENDED % ("web", "other"): "1x60", PHASE % ("web", "Running"): "1x60"}, 30),
    ),
    "AirflowSidecarWebhookCertificateExpires": (
        AlertSituation(
            {f"{SERVICE}_certificate_not_after_timestamp_seconds": "100000x60", f"{SERVICE}_ca_bundle_in_sync": "1x60"}, 30, [{}]
        ),
        AlertSituation({f"{SERVICE}_certificate_not_after_timestamp_seconds": "400000x60"}, 30, [{}]),
        AlertSituation({f"{SERVICE}_certificate_not_after_timestamp_seconds": "400000x60", f"{SERVICE}_ca_bundle_in_sync": "1x60"}, 30),
        AlertSituation({f"{SERVICE}_certificate_not_after_timestamp_seconds": "0x5 900000x60"}, 30),
    ),
    "AirflowSidecarWebhookCaBundleOutOfSync": (
        AlertSituation({f'{SERVICE}_ca_bundle_in_sync{{instance="a"}}': "1x10 0x50"}, 30, [{}]),
        AlertSituation({f'{SERVICE}_ca_bundle_in_sync{{instance="a"}}': "0x5 1x50"}, 30),
    ),
    "AirflowSidecarWebhookClusterNotRead": (
        AlertSituation({f'{SERVICE}_cluster_last_read_timestamp_seconds{{resource="nodes"}}': "60x60"}, 30, [{"resource": "nodes"}]),
        AlertSituation({f"{SERVICE}_certificate_last_read_timestamp_seconds": "60x60"}, 30, [{}]),
        AlertSituation(
            {f'{REAPER}_watch_last_read_timestamp_seconds{{resource="pods", namespace="airflow"}}': "60x60"},
            30,
            [{"resource": "pods", "namespace": "airflow"}],
        ),
        AlertSituation(
            {
                f'{SERVICE}_cluster_last_read_timestamp_seconds{{resource="nodes"}}': "0+60x60",
                f"{SERVICE}_certificate_last_read_timestamp_seconds": "0+60x60",
                f'{REAPER}_watch_last_read_timestamp_seconds{{resource="pods", namespace="airflow"}}': "0+60x60",
            },
            30,
        ),
    ),
    "AirflowSidecarWebhookSlow": (
        AlertSituation(buckets("apiserver_admission_webhook_admission_duration_seconds", f"{NAME}, ", "0+9x60", "0+10x60"), 40, [{}]),
        AlertSituation(buckets(f"{SERVICE}_review_duration_seconds", "", "0+9x60", "0+10x60"), 40, [{}]),
        AlertSituation(buckets("apiserver_admission_webhook_admission_duration_seconds", 'name="other", ', "0+9x60", "0+10x60"), 40),
        AlertSituation(buckets(f"{SERVICE}_review_duration_seconds", "", "0+10x60", "0+10x60"), 40),
        AlertSituation(buckets(f"{SERVICE}_review_duration_seconds", "", "0x60", "0x60"), 40),
    ),
    "AirflowSidecarWebhookReaperNotActing": (
        AlertSituation({f'{REAPER}_is_leader{{pod="a"}}': "0x60", f'{REAPER}_is_leader{{pod="b"}}': "0x60"}, 30, [{}]),
        AlertSituation({f'{REAPER}_is_leader{{pod="a"}}': "0x60", f'{REAPER}_is_leader{{pod="b"}}': "1x60"}, 30),
        AlertSituation({}, 30),
    ),
}
"""For each alert, first where it fires and then where it does not."""


def test_the_rule_file_is_current_and_prometheus_reads_it() -> None:
    assert RULES.read_text("utf-8") == rule_file(), "run: make docs"
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)


def test_every_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    assert list(SITUATIONS) == [alert.name for alert in ALERTS]
    assert all({bool(one.firing) for one in situations} == {True, False} for situations in SITUATIONS.values())


def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    evaluate(RULES, SITUATIONS, {alert.name: alert.urgency for alert in ALERTS}, tmp_path)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_link_of_an_alert_leads_to_its_place_in_the_runbook_which_has_a_command_and_what_to_read(alert: Alert) -> None:
    (rule,) = [rule for rule in rules() if rule["alert"] == alert.name]
    page, _, place = rule["annotations"]["runbook_url"].partition("#")
    text = (ROOT / page).read_text("utf-8")
    (heading,) = [heading for heading in re.findall(r"^## (.+)$", text, re.MULTILINE) if anchor(heading) == place]
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]

    assert page == RUNBOOK
    assert "```sh\n" in section
    assert "| what you read |" in section or "\nRead `" in section or "| `error_type` |" in section


def test_the_page_lists_every_alert() -> None:
    page = generate_alerts.PAGE.read_text("utf-8")

    assert generate_alerts.alerts() in page, "run: make docs"
    assert generate_alerts.with_table(page) == page


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_names_no_metric_of_the_project_s_that_does_not_exist(alert: Alert) -> None:
    registries = (Metrics().registry, ReaperMetrics().registry)
    families = [family for registry in registries for family in registry.collect()]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket",), "gauge": ("",)}
    exist = {f"{family.name}{suffix}" for family in families for suffix in suffixes[family.type]}

    assert set(re.findall(rf"\b{SERVICE}_\w+", alert.query)) <= exist


def test_the_template_takes_the_rules_from_the_rule_file_and_has_none_of_its_own() -> None:
    template = (CHART / "templates" / "prometheus_rule.yaml").read_text("utf-8")

    assert '.Files.Get "files/alerts.yaml"' in template
    assert "alert:" not in template


def rules() -> list[JSONObject]:
    """The rules of the file."""
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return list(group["rules"])
