"""The plot of a panel over time: where its lines, bars and labels are, in units of the SVG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.report.week_plot import Line, round_above

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 480
HEIGHT: Final = 150
LEFT: Final = 62
"""Room for the labels of the lines."""

TOP: Final = 8
BOTTOM: Final = 20
"""Room for the times."""

LINES: Final = 4
GAP_SECONDS: Final = 3
"""Between two values of one line at most."""

SECOND_UNITS: Final = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (0.0, "µs", 1e6))
SUFFIXES: Final = {"h": " h", "d": " days", "reqps": " req/s"}
"""After a value, by Grafana's id of its unit."""


class Series(msgspec.Struct, frozen=True):
    """A series: its legend, and its values by the second since the begin."""

    legend: str
    values: dict[int, float]


class Rectangle(msgspec.Struct, frozen=True):
    """A part of a bar."""

    x: float
    y: float
    width: float
    height: float


class PanelPlot(msgspec.Struct, frozen=True):
    """The plot: of each series the corners of the pieces of its line, or the parts of its bars."""

    lines: tuple[Line, ...]
    times: tuple[tuple[float, str], ...]
    corners: tuple[tuple[str, ...], ...] = ()
    bars: tuple[tuple[Rectangle, ...], ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def shown(value: float, unit: str) -> str:
    """A value with its unit, by Grafana's id of that."""
    if unit == "s" and value:
        least, name, factor = next(one for one in SECOND_UNITS if value >= one[0])
        del least
        return f"{value * factor:.3g} {name}"
    return f"{value:,.3g}{SUFFIXES.get(unit, ' s' if unit == 's' else '')}"


def line_plot(series: Sequence[Series], seconds: int, unit: str) -> PanelPlot:
    """Lines over so many seconds."""
    top = _top([value for one in series for value in one.values.values()])
    corners = [tuple(_pieces(one, seconds, top)) for one in series]
    return PanelPlot(tuple(_lines(top, unit)), tuple(_times(seconds)), corners=tuple(corners))


def bar_plot(series: Sequence[Series], seconds: int, unit: str, step: int) -> PanelPlot:
    """Stacked bars, each of so many seconds."""
    below: dict[int, float] = {}
    for one in series:
        for at, value in one.values.items():
            below[at] = below.get(at, 0.0) + value
    top, heights = _top(list(below.values())), dict.fromkeys(below, 0.0)
    bars = []
    for one in series:
        parts = []
        for at, value in one.values.items():
            begin, heights[at] = heights[at], heights[at] + value
            y = _y(heights[at], top)
            width = (WIDTH - LEFT) * step / seconds * 0.8
            parts.append(Rectangle(round(_x(at, seconds) - width, 1), round(y, 1), round(width, 1), round(_y(begin, top) - y, 1)))
        bars.append(tuple(part for part in parts if part.height > 0 and part.x >= LEFT))
    return PanelPlot(tuple(_lines(top, unit)), tuple(_times(seconds)), bars=tuple(bars))


def _pieces(series: Series, seconds: int, top: float) -> Iterator[str]:
    """The corners of a line, which begins anew where it has no values for some seconds."""
    corners: list[str] = []
    before = None
    for at, value in series.values.items():
        if before is not None and at - before > GAP_SECONDS:
            yield " ".join(corners)
            corners = []
        corners.append(f"{_x(at, seconds):.1f},{_y(value, top):.1f}")
        before = at
    yield " ".join(corners)


def _top(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return round_above(max(finite)) if finite and max(finite) > 0 else 1.0


def _x(at: float, seconds: int) -> float:
    return LEFT + (WIDTH - LEFT) * at / seconds


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top


def _lines(top: float, unit: str) -> Iterator[Line]:
    for number in range(LINES + 1):
        yield Line(round(_y(top * number / LINES, top), 1), shown(top * number / LINES, unit))


def _times(seconds: int) -> Iterator[tuple[float, str]]:
    for number in range(LINES):
        at = seconds * number // LINES
        yield _x(at, seconds), f"{at} s"
