"""How Prometheus finds the pods by the chart's monitors, by Helm alone."""

from __future__ import annotations

from typing import Final

from manifests.rendering import NAME
from tests.e2e.api_server.chart import OPTIONS, deployments, objects, only

ELSEWHERE: Final = OPTIONS["service-monitor-elsewhere"]
TRACKED_BY: Final = "app.kubernetes.io/instance"
"""Argo CD writes the name of its Application there, on every object that it applies and on no pod (its default tracking before 3.0)."""


def test_the_service_is_found_also_where_argo_cd_has_written_its_label() -> None:
    rendered = objects(OPTIONS["service-monitor"])
    selected = only("ServiceMonitor", rendered)["spec"]["selector"]["matchLabels"]
    service = {**only("Service", rendered)["metadata"]["labels"], TRACKED_BY: "an-application"}

    assert selected.items() <= service.items()
    assert len(selected) > 1, "it selects no other part of the chart"


def test_the_reapers_pods_are_found_by_labels_of_pods() -> None:
    rendered = objects(ELSEWHERE)
    selected = only("PodMonitor", rendered)["spec"]["selector"]["matchLabels"]

    assert selected.items() <= deployments(rendered)["reaper"]["spec"]["template"]["metadata"]["labels"].items()


def test_monitors_in_another_namespace_select_in_that_of_the_release() -> None:
    for kind in ("ServiceMonitor", "PodMonitor"):
        monitor = only(kind, objects(ELSEWHERE))

        assert monitor["metadata"]["namespace"] == "default"
        assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAME]}
    assert only("ServiceMonitor", objects(OPTIONS["service-monitor"]))["metadata"]["namespace"] == NAME


def test_both_monitors_take_what_is_set_of_a_scrape() -> None:
    rendered = objects(ELSEWHERE)
    (of_service,) = only("ServiceMonitor", rendered)["spec"]["endpoints"]
    (of_reaper,) = only("PodMonitor", rendered)["spec"]["podMetricsEndpoints"]

    assert of_service == of_reaper
    assert of_service == {
        "port": "health",
        "path": "/metrics",
        "honorLabels": True,
        "interval": "1m",
        "scrapeTimeout": "20s",
        "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node", "action": "replace"}],
        "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "python_.*", "action": "drop"}],
    }


def test_what_is_not_set_of_a_scrape_is_left_to_prometheus() -> None:
    (endpoint,) = only("ServiceMonitor", objects(OPTIONS["service-monitor"]))["spec"]["endpoints"]

    assert endpoint == {"port": "health", "path": "/metrics", "honorLabels": True, "interval": "30s"}
