"""A picture of the dashboard: ``python -m tests.pictures`` draws its panels from their own queries, in light and in dark.

A real Prometheus reads real services and a real reaper for two minutes of load. Needs prometheus, chromium and chromedriver.
"""

from __future__ import annotations

import math
import re
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from manifests.dashboard import TITLE
from tests.pictures.panel_plot import PanelPlot, Series, bar_plot, line_plot, shown
from tests.service.board_load import filled, loaded_board, panels
from tests.support.browser import browser
from webhook.core import Treatment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.service.board_load import BoardLoad
    from tests.support.json_object import JSONObject
    from tests.support.prometheus_server import PrometheusServer

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
WIDTH, SCALE = 1000, 1.25
SECONDS: Final = 120
BAR_SECONDS: Final = 5
VARIABLES: Final = {"$__range": f"{SECONDS}s", "$__interval": f"{BAR_SECONDS}s", "$__rate_interval": "15s"}
MOST_AT_ONCE: Final = 6
PAUSE_SECONDS: Final = 0.5
COLOURS: Final[Mapping[str, int]] = {
    Treatment.WRAPPED: 0,
    Treatment.LEFT: 1,
    Treatment.NATIVE: 2,
    Treatment.LABELLED: 3,
    Treatment.AUDITED: 4,
}
"""Of each treatment, by its number on the page; other series have one after the other."""

LEFT_OUT: Final = frozenset({"Certificates and cluster"})
"""Sections whose lines are straight within minutes."""


class DrawnPanel(msgspec.Struct, frozen=True):
    """What the page shows of a panel: a number, rows, or a plot."""

    title: str
    columns: int
    number: str = ""
    rows: tuple[dict[str, str], ...] = ()
    plot: PanelPlot | None = None
    legends: tuple[str, ...] = ()
    colours: tuple[int, ...] = ()


def main() -> None:
    """Write the pictures."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with loaded_board(folder) as (server, load):
            put_load(load)
            sections = draw(server, float(server.get("query", query="time()")["result"][1]))
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        page = folder / "dashboard.html"
        page.write_text(templates.get_template("dashboard.html.jinja").render(title=TITLE, width=WIDTH, sections=sections), "utf-8")
        with browser(folder) as opened:
            for scheme in ("light", "dark"):
                opened.show(page, WIDTH, scheme)
                picture = FOLDER / f"dashboard-{scheme}.png"
                opened.whole_picture(picture, SCALE)
                print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")


def put_load(load: BoardLoad) -> None:
    """Load for so many seconds, now more and now less."""
    clock, begin = threading.Event(), time.monotonic()
    while (seconds := time.monotonic() - begin) < SECONDS:
        for _ in range(1 + round((MOST_AT_ONCE - 1) * math.sin(math.pi * seconds / 60) ** 2)):
            load.add()
        clock.wait(PAUSE_SECONDS)


def draw(server: PrometheusServer, end: float) -> dict[str, list[DrawnPanel]]:
    """The panels that are shown, by section."""
    sections: dict[str, list[DrawnPanel]] = {}
    for panel in panels():
        if panel["type"] == "row":
            title = str(panel["title"])
            sections[title] = []
        elif title not in LEFT_OUT:
            sections[title].append(drawn(server, panel, end))
    return {title: shown_panels for title, shown_panels in sections.items() if shown_panels}


def drawn(server: PrometheusServer, panel: JSONObject, end: float) -> DrawnPanel:
    """A panel with the answers to its queries."""
    title, columns, unit = str(panel["title"]), int(panel["gridPos"]["w"]), str(panel["fieldConfig"]["defaults"]["unit"])
    if panel["type"] == "stat":
        (answer,) = [one for target in panel["targets"] for one in now(server, target, end)]
        return DrawnPanel(title, columns, number=shown(float(answer["value"][1]), unit))
    if panel["type"] == "table":
        found = [one for target in panel["targets"] for one in now(server, target, end)]
        rows = [{**one["metric"], "pods": shown(float(one["value"][1]), unit)} for one in found]
        return DrawnPanel(title, columns, rows=tuple(rows))
    is_bars = panel["fieldConfig"]["defaults"].get("custom", {}).get("drawStyle") == "bars"
    step = BAR_SECONDS if is_bars else 1
    series = [one for target in panel["targets"] for one in over_time(server, target, end, step)]
    plot = bar_plot(series, SECONDS, unit, step) if is_bars else line_plot(series, SECONDS, unit)
    legends = tuple(one.legend for one in series)
    colours = tuple(COLOURS.get(legend, number % len(COLOURS)) for number, legend in enumerate(legends))
    return DrawnPanel(title, columns, plot=plot, legends=legends, colours=colours)


def now(server: PrometheusServer, target: JSONObject, end: float) -> list[Any]:
    """The answers to a query at the end."""
    return list(server.get("query", query=filled(str(target["expr"]), VARIABLES), time=str(end))["result"])


def over_time(server: PrometheusServer, target: JSONObject, end: float, step: int) -> Iterator[Series]:
    """The series of a query, but for values that are no numbers."""
    query, begin = filled(str(target["expr"]), VARIABLES), end - SECONDS
    for one in server.get("query_range", query=query, start=str(begin), end=str(end), step=str(step))["result"]:
        values = {round(at - begin): float(value) for at, value in one["values"] if math.isfinite(float(value))}
        if values:
            yield Series(legend_of(str(target["legendFormat"]), one["metric"]), values)


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """The legend of a series, with its labels."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)


if __name__ == "__main__":
    main()
