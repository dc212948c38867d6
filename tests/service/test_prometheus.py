"""A real Prometheus reads the real service and the real reaper under a short load: every query of a panel or an alert finds data."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from manifests.alerts import ALERTS
from testbed import wait
from tests.service.board_load import BoardLoad, filled, loaded_board, panels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from tests.support.prometheus_server import PrometheusServer

SECONDS: Final = 120
"""Longer than a busy machine takes; only a failing test reaches it."""

GRAFANA: Final = {"$__range": "1h", "$__interval": "1m", "$__rate_interval": "1m"}
"""What stands for Grafana's variables."""

OWN: Final = re.compile(r"airflow_sidecar_webhook_\w+(?:\{[^}]*\})?")
"""A selector of a metric of the project's."""

AUTHORITY: Final = "airflow_sidecar_webhook_authority_not_after_timestamp_seconds"
"""It stays 0 without an API server that has the Secret; tests/e2e/installation reads it where there is one."""

OF_OTHERS: Final = ("apiserver_", "kube_")
"""Prefixes of metrics of the API server and of kube-state-metrics, which do not run here."""


def queries_of_panels() -> Iterator[str]:
    """Every query of the dashboard that the project's own metrics can answer, without the zero that stands for no data."""
    for panel in panels():
        for target in panel.get("targets", ()):
            query = filled(str(target["expr"]), GRAFANA)
            if OWN.search(query) is not None:
                yield AUTHORITY if AUTHORITY in query else query.replace(" or vector(0)", "")


def selectors_of_alerts() -> Iterator[str]:
    """Every selector of the alerts; an alert itself has data only while it fires."""
    for alert in ALERTS:
        yield from OWN.findall(alert.query)


def find_data(server: PrometheusServer, queries: set[str], load: BoardLoad) -> None:
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
    with loaded_board(tmp_path) as (server, load):
        find_data(server, {*queries_of_panels(), *selectors_of_alerts()}, load)

        wait.until(lambda: all(rule["health"] == "ok" for rule in rules_of(server)), "every rule was evaluated", SECONDS)
        wait.until(lambda: "AirflowSidecarWebhookPodsLeft" in firing_on(server), "the pods left are an alert", SECONDS)
        assert [rule["name"] for rule in rules_of(server)] == [alert.name for alert in ALERTS]
        assert not {"AirflowSidecarWebhookDown", "AirflowSidecarWebhookFault"} & firing_on(server)


def test_only_what_the_api_server_alone_counts_is_left_out() -> None:
    expressions = [str(target["expr"]) for panel in panels() for target in panel.get("targets", ())]
    left_out = [expression for expression in expressions if OWN.search(expression) is None]

    assert len(left_out) == 4
    assert all(any(prefix in expression for prefix in OF_OTHERS) for expression in left_out)
