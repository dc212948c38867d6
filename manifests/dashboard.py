"""The dashboard for Grafana: one row a panel. Grafana's own SDK makes the JSON in the chart from the rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from manifests.queries import API_SERVER_SECONDS, FAIL_OPEN, REFUSED, REVIEW_SECONDS, audited_pods, growth, pods, quantile, stuck
from webhook.reaper.metrics import PREFIX as REAPER
from webhook.server.metrics import PREFIX as SERVICE

TITLE: Final = "Airflow sidecar webhook"
UID: Final = "airflow-sidecar-webhook"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
DAY: Final = 24 * 60 * 60
STEP: Final = "$__interval"
STEP_AT_LEAST: Final = "5m"
"""Counts in a step need several scrapes in it."""

WHOLE: Final = "$__range"
HERE: Final = 'namespace=~"$namespace"'
"""The namespaces that are chosen at the top."""

STUCK_HERE: Final = stuck(HERE)


class View(Enum):
    """How a panel shows its queries."""

    NUMBER = auto()
    """The newest value."""

    LINES = auto()
    """The course of a value."""

    BARS = auto()
    """Counts in each step, stacked."""

    TABLE = auto()
    """A row for each series."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query.

    Args:
        expression: In PromQL, with Grafana's variables.
        legend: What a series is called, with its labels in double braces.

    """

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class PanelRow:
    """A panel.

    Args:
        title: What it shows.
        meaning: How to read it: what is well, and what is not.
        view: How it shows its queries.
        unit: Grafana's id of the unit.
        queries: Its queries.
        width: In the columns of Grafana's grid, which has 24.

    """

    title: str
    meaning: str
    view: View
    unit: str
    queries: tuple[Query, ...]
    width: int = field(default=12)


def _days_until(moment: str) -> str:
    return f"(min({moment}) - time()) / {DAY}"


def _age(moment: str, by: str = "") -> str:
    return f"time() - min{f' by ({by})' if by else ''} ({moment})"


NOT_AFTER: Final = f"{SERVICE}_certificate_not_after_timestamp_seconds > 0"
AUTHORITY_NOT_AFTER: Final = f"{SERVICE}_authority_not_after_timestamp_seconds > 0"
"""Both are 0 before the first read."""

SECTIONS: Final[dict[str, tuple[PanelRow, ...]]] = {
    "Now": (
        PanelRow(
            "Ready replicas",
            "0: task pods start unpatched.",
            View.NUMBER,
            "short",
            (Query(f"sum({SERVICE}_ready)"),),
            width=4,
        ),
        PanelRow(
            "Stuck now",
            "Pods that stay Running after their task, each in a slot of Airflow. 0 is well. By the reaper, or by kube-state-metrics.",
            View.NUMBER,
            "short",
            (Query(f"sum({STUCK_HERE}) or vector(0)"),),
            width=5,
        ),
        PanelRow(
            "Slot-hours wasted",
            "Stuck pods times the hours for which they were, in the chosen range: what Airflow could have run meanwhile.",
            View.NUMBER,
            "h",
            (Query(f"sum_over_time((sum({STUCK_HERE}) or vector(0))[{WHOLE}:1m]) / 60"),),
            width=5,
        ),
        PanelRow(
            "Pods left",
            "Pods in the chosen range for which there was no safe way to end their sidecars. The table below has the reasons.",
            View.NUMBER,
            "short",
            (Query(f"""sum({pods("namespace", WHOLE, f'treatment="left",{HERE}')}) or vector(0)"""),),
            width=5,
        ),
        PanelRow(
            "Certificate",
            "Days until the serving certificate expires. A self-managed one is renewed two days before.",
            View.NUMBER,
            "d",
            (Query(_days_until(NOT_AFTER)),),
            width=5,
        ),
    ),
    "Pods": (
        PanelRow(
            "Pods by treatment",
            "Each pod once, for its final treatment. left: its sidecars may keep it Running.",
            View.BARS,
            "short",
            (Query(pods("treatment", STEP, HERE), "{{treatment}}"),),
        ),
        PanelRow(
            "Left, by reason",
            "In the chosen range. docs/reference.md has a remedy for each reason.",
            View.TABLE,
            "short",
            (Query(f"""{pods("namespace, reason", WHOLE, f'treatment="left",{HERE}')} > 0"""),),
        ),
        PanelRow(
            "Stuck pods",
            "By namespace and by the reaper's reason. A pod that is here for minutes needs a person.",
            View.LINES,
            "short",
            (Query(STUCK_HERE, "{{namespace}} {{reason}}"),),
        ),
        PanelRow(
            "Slot-hours wasted, by namespace",
            "In each step.",
            View.BARS,
            "h",
            (Query(f"sum by (namespace) (sum_over_time(({STUCK_HERE})[{STEP}:1m])) / 60", "{{namespace}}"),),
        ),
        PanelRow(
            "Audited, by treatment and reason",
            "In the chosen range, while the setting enforcement is audit: the treatment that the pods would get. None was changed.",
            View.TABLE,
            "short",
            (Query(f"{audited_pods('treatment, reason', WHOLE, HERE)} > 0"),),
            width=24,
        ),
    ),
    "Calls": (
        PanelRow(
            "Latency",
            "For the API server: from the call to the answer, for each pod that is created. For the webhook: from the whole body to the "
            "answer. A gap between the two is the network, TLS, or a wait for a turn.",
            View.LINES,
            "s",
            (
                Query(quantile(0.99, API_SERVER_SECONDS, "$__rate_interval"), "99 % for the API server"),
                Query(quantile(0.5, API_SERVER_SECONDS, "$__rate_interval"), "50 % for the API server"),
                Query(quantile(0.99, REVIEW_SECONDS, "$__rate_interval"), "99 % for the webhook"),
                Query(quantile(0.5, REVIEW_SECONDS, "$__rate_interval"), "50 % for the webhook"),
            ),
        ),
        PanelRow(
            "Reviews",
            "Calls in a second, dry runs among them. The API server calls a second time for a pod that a later injector has changed.",
            View.LINES,
            "reqps",
            (Query(f"sum by (result) (rate({SERVICE}_reviews_total[$__rate_interval]))", "{{result}}"),),
        ),
        PanelRow(
            "Failures",
            "Not called: the pod started unpatched. Refused: the API server refused the pod. Fault: a bug of the webhook.",
            View.BARS,
            "short",
            (
                Query(f"sum({growth(FAIL_OPEN, STEP)})", "not called"),
                Query(f"sum by (error_type) ({growth(REFUSED, STEP)})", "refused: {{error_type}}"),
                Query(f"sum({growth(f'{SERVICE}_faults_total', STEP)})", "fault"),
            ),
        ),
        PanelRow(
            "Invalid annotations",
            "Values on pods that are not allowed, and are ignored. The log names the pods.",
            View.BARS,
            "short",
            (Query(f"sum by (annotation) ({growth(f'{SERVICE}_invalid_annotations_total', STEP)})", "{{annotation}}"),),
        ),
    ),
    "Certificates and cluster": (
        PanelRow(
            "Days until expiry",
            "Of the serving certificate of any replica, and of the authority where the webhook manages its certificates.",
            View.LINES,
            "d",
            (Query(_days_until(NOT_AFTER), "certificate"), Query(_days_until(AUTHORITY_NOT_AFTER), "authority")),
        ),
        PanelRow(
            "caBundle in sync",
            "1 is well. 0: API servers do not trust the webhook. Self-managed certificates only.",
            View.LINES,
            "short",
            (Query(f"min({SERVICE}_ca_bundle_in_sync)", "in sync"),),
        ),
        PanelRow(
            "Age of what is known",
            "Since the last successful read, of the replica for which it is longest. About a minute is usual.",
            View.LINES,
            "s",
            (
                Query(_age(f"{SERVICE}_cluster_last_read_timestamp_seconds", "resource"), "{{resource}}"),
                Query(_age(f"{SERVICE}_certificate_last_read_timestamp_seconds"), "certificates"),
                Query(_age(f"{REAPER}_watch_last_read_timestamp_seconds", "resource"), "reaper: {{resource}}"),
            ),
        ),
        PanelRow(
            "Native sidecars",
            "What the replicas know of the cluster's support: ready is best. More than one line: they differ.",
            View.LINES,
            "short",
            (Query(f"sum by (support) ({SERVICE}_native_support) > 0", "{{support}}"),),
        ),
    ),
    "Reaper": (
        PanelRow(
            "Acts",
            "By method and outcome.",
            View.BARS,
            "short",
            (Query(f"sum by (method, outcome) ({growth(f'{REAPER}_acts_total', STEP)})", "{{method}}: {{outcome}}"),),
        ),
        PanelRow(
            "Running after the task",
            "For how long pods stayed Running after their task, of those that ended.",
            View.LINES,
            "s",
            (
                Query(quantile(0.95, f"{REAPER}_running_after_task_seconds_bucket", "$__rate_interval"), "95 %"),
                Query(quantile(0.5, f"{REAPER}_running_after_task_seconds_bucket", "$__rate_interval"), "50 %"),
            ),
        ),
    ),
}
"""The panels, by section."""

Builder: TypeAlias = stat.Panel | timeseries.Panel | table.Panel
NUMBER_HEIGHT, HEIGHT = 4, 8


def dashboard_json() -> str:
    """The dashboard as Grafana imports it."""
    board = (
        dashboard.Dashboard(TITLE)
        .uid(UID)
        .description("What airflow-sidecar-webhook does to task pods, and what keeps it from doing so. Made from manifests/dashboard.py.")
        .tags(["airflow", "kubernetes"])
        .timezone("browser")
        .refresh("1m")
        .time("now-24h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_namespaces())
    )
    numbers = count(1)
    for title, rows in SECTIONS.items():
        board = board.with_row(dashboard.Row(title).id(next(numbers)))
        for row in rows:
            board = board.with_panel(_panel(next(numbers), row))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _namespaces() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("namespace")
        .label("Namespace")
        .datasource(SOURCE)
        .query(f'label_values({{__name__=~"{SERVICE}_pods_total|{REAPER}_stuck_pods"}}, namespace)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )


def _panel(number: int, row: PanelRow) -> Builder:
    """The builder of a panel, with its queries."""
    builder = _view(row.view).title(row.title).description(row.meaning).datasource(SOURCE).unit(row.unit).span(row.width).id(number)
    builder = builder.height(NUMBER_HEIGHT if row.view is View.NUMBER else HEIGHT)
    if row.view is View.BARS:
        builder = builder.interval(STEP_AT_LEAST)
    for letter, query in zip("ABCDEFGH", row.queries, strict=False):
        builder = builder.with_target(_target(row.view, letter, query))
    return builder


def _view(view: View) -> Builder:
    match view:
        case View.NUMBER:
            newest = common.ReduceDataOptions().calcs(["lastNotNull"])
            return stat.Panel().graph_mode(BigValueGraphMode.NONE).reduce_options(newest)
        case View.TABLE:
            hidden = DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {"Value": "pods"}})
            return table.Panel().with_transformation(hidden)
        case View.LINES:
            return timeseries.Panel().legend(_legend()).axis_soft_min(0)
        case View.BARS:
            stacked = common.StackingConfig().mode(StackingMode.NORMAL)
            return timeseries.Panel().legend(_legend()).draw_style(GraphDrawStyle.BARS).fill_opacity(80).stacking(stacked)


def _legend() -> common.VizLegendOptions:
    return common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(show_legend=True)


def _target(view: View, letter: str, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).expr(query.expression).legend_format(query.legend).datasource(SOURCE)
    if view is View.TABLE:
        return target.instant().format(PromQueryFormat.TABLE)
    return target.instant() if view is View.NUMBER else target.range()
