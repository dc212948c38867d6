"""A real Prometheus reads the real service and the real reaper under a short load: every query of a panel or an alert finds data."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from manifests.alerts import ALERTS
from manifests.generate import ALERTS as RULES
from manifests.generate import DASHBOARD
from testbed import wait
from tests.service.reviews import injected_pod, new_uid
from tests.service.running_service import running_service
from tests.support.fake_lease_api import FakeLeaseApi
from tests.support.fake_task_cluster import PortListener, end_of, fake_task_cluster
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.pods import review_of
from tests.support.prometheus_server import PrometheusServer, prometheus_server
from tests.support.reaper_service import reaper_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.running_service import RunningService
    from tests.support.fake_task_cluster import FakeTaskCluster
    from tests.support.json_object import JSONObject

SECONDS: Final = 120
"""Longer than a busy machine takes; only a failing test reaches it."""

GRAFANA: Final = {"$__range": "1h", "$__interval": "1m", "$__rate_interval": "1m", "$namespace": ".*", ":1m]": ":1s]"}
"""What stands for Grafana's variables, and a finer step, so that a subquery has one within a second."""

OWN: Final = re.compile(r"airflow_sidecar_webhook_\w+(?:\{[^}]*\})?")
"""A selector of a metric of the project's."""

AUTHORITY: Final = "airflow_sidecar_webhook_authority_not_after_timestamp_seconds"
"""It stays 0 without an API server that has the Secret; tests/e2e/installation reads it where there is one."""

OF_OTHERS: Final = ("apiserver_", "kube_")
"""Prefixes of metrics of the API server and of kube-state-metrics, which do not run here."""


def queries_of_panels() -> Iterator[str]:
    """Every query of the dashboard that the project's own metrics can answer, without the zero that stands for no data."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            query = str(target["expr"])
            for variable, value in GRAFANA.items():
                query = query.replace(variable, value)
            if OWN.search(query) is not None:
                yield AUTHORITY if AUTHORITY in query else query.replace(" or vector(0)", "")


def selectors_of_alerts() -> Iterator[str]:
    """Every selector of the alerts; an alert itself has data only while it fires."""
    for alert in ALERTS:
        yield from OWN.findall(alert.query)


class Load:
    """Pods of each kind, reviewed by the service and ended by the reaper."""

    def __init__(self, service: RunningService, auditing: RunningService, cluster: FakeTaskCluster) -> None:
        """Begin with a pod that nothing ends; ``auditing`` has the setting ``enforcement: audit``."""
        self._service, self._auditing, self._cluster, self._numbers = service, auditing, cluster, count()
        self._add("stuck", PortListener(200))

    def add(self) -> None:
        """One more of each."""
        wrapped, left, invalid = injected_pod(), injected_pod(), injected_pod()
        left["spec"]["hostNetwork"] = True
        invalid["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "maybe"
        for pod in (wrapped, left, invalid):
            self._service.post(review_of(pod, uid=new_uid()))
        self._auditing.post(review_of(wrapped, uid=new_uid()))
        self._add(f"sales-{next(self._numbers)}", PortListener(200, end_of("istio-proxy")))

    def _add(self, name: str, listener: PortListener) -> None:
        self._cluster.listeners[name, 15020] = listener
        pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
        pod["metadata"]["name"] = name
        self._cluster.add(pod, uid=f"uid-of-{name}")


def find_data(server: PrometheusServer, queries: set[str], load: Load) -> None:
    """Load until each query has returned a number."""
    missing = set(queries)

    def nothing_is_missing() -> bool:
        load.add()
        missing.difference_update({query for query in missing if server.has_data(query)})
        return not missing

    with suppress(TimeoutError):
        wait.until(nothing_is_missing, "every query has data", SECONDS)
    assert missing == set()


def rules_of(server: PrometheusServer) -> list[JSONObject]:
    """The rules, as the server evaluates them."""
    (group,) = server.get("rules")["groups"]
    return list(group["rules"])


def firing_on(server: PrometheusServer) -> set[str]:
    """The alerts that fire."""
    return {alert["labels"]["alertname"] for alert in server.get("alerts")["alerts"] if alert["state"] == "firing"}


def test_every_query_of_a_panel_and_every_metric_of_an_alert_has_data(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    # Nobody listens there: how old the cluster's state is shows all the same.
    kubeconfig.write_text(kubeconfig_for("http://127.0.0.1:1", "here"))
    folders = [tmp_path / name for name in ("files", "self-managed", "audit", "reaper", "prometheus")]
    for folder in folders:
        folder.mkdir()
    with (
        fake_task_cluster() as cluster,
        running_service(folders[0], kubeconfig=kubeconfig) as service,
        running_service(folders[1], kubeconfig=kubeconfig, certificates="self-managed", service_namespace="webhook") as unready,
        running_service(folders[2], kubeconfig=kubeconfig, enforcement="audit") as auditing,
    ):
        cluster.lease = FakeLeaseApi("default", "airflow-sidecar-webhook-reaper")
        load = Load(service, auditing, cluster)
        with reaper_service(cluster, folders[3]) as reaper:
            targets = {"service": [service.health_port, unready.health_port, auditing.health_port], "reaper": [reaper.health_port]}
            with prometheus_server(targets, RULES, folders[4]) as server:
                find_data(server, {*queries_of_panels(), *selectors_of_alerts()}, load)

                wait.until(lambda: all(rule["health"] == "ok" for rule in rules_of(server)), "every rule was evaluated", SECONDS)
                wait.until(lambda: "AirflowSidecarWebhookPodsLeft" in firing_on(server), "the pods left are an alert", SECONDS)
                assert [rule["name"] for rule in rules_of(server)] == [alert.name for alert in ALERTS]
                assert not {"AirflowSidecarWebhookDown", "AirflowSidecarWebhookFault"} & firing_on(server)


def test_only_what_the_api_server_alone_counts_is_left_out() -> None:
    expressions = [
        str(target["expr"]) for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] for target in panel.get("targets", ())
    ]
    left_out = [expression for expression in expressions if OWN.search(expression) is None]

    assert len(left_out) == 4
    assert all(any(prefix in expression for prefix in OF_OTHERS) for expression in left_out)
