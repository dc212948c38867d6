"""The dashboard is made from its rows, Prometheus reads its queries, and its queries name metrics that exist."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from manifests.dashboard import SECTIONS, dashboard_json
from manifests.generate import DASHBOARD
from manifests.rendering import CHART
from tests.support.promtool import promtool
from webhook.reaper.metrics import ReaperMetrics
from webhook.server.metrics import Metrics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject

BOARD: Final[JSONObject] = json.loads(dashboard_json())
PANELS: Final[list[JSONObject]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
VARIABLES: Final = {"$__range": "1h", "$__interval": "5m", "$__rate_interval": "5m", "$namespace": ".*"}


def test_the_dashboard_in_the_chart_is_current() -> None:
    assert DASHBOARD.read_text("utf-8") == dashboard_json(), "run: make docs"


def test_every_row_is_a_panel_with_its_title_its_meaning_and_its_queries() -> None:
    rows = [row for section in SECTIONS.values() for row in section]
    shown = [(panel["title"], panel["description"], [target["expr"] for target in panel["targets"]]) for panel in PANELS]

    assert shown == [(row.title, row.meaning, [query.expression for query in row.queries]) for row in rows]


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    queries = [str(target["expr"]) for panel in PANELS for target in panel["targets"]]
    for variable, value in VARIABLES.items():
        queries = [query.replace(variable, value) for query in queries]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    assert f"{len(queries)} rules found" in promtool("check", "rules", file)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_no_metric_of_the_project_s_that_does_not_exist(panel: JSONObject) -> None:
    families = [family for metrics in (Metrics(), ReaperMetrics()) for family in metrics.registry.collect()]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket",), "gauge": ("",)}
    exist = {f"{family.name}{suffix}" for family in families for suffix in suffixes[family.type]}

    for target in panel["targets"]:
        assert set(re.findall(r"\bairflow_sidecar_webhook_\w+", target["expr"])) <= exist


def test_panels_fill_the_width_and_have_ids_of_their_own() -> None:
    widths: dict[int, int] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]

    assert set(widths.values()) == {24}
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_the_template_takes_the_dashboard_from_the_file() -> None:
    assert '.Files.Get "files/dashboard.json"' in (CHART / "templates" / "dashboard.yaml").read_text("utf-8")
