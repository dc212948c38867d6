"""The plot of slot-hours by week: where its bars, lines and labels are, in units of the SVG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.report.document import WeekCount

WIDTH: Final = 720
HEIGHT: Final = 220
LEFT: Final = 44
"""Room for the labels of the lines."""

TOP: Final = 10
BOTTOM: Final = 24
"""Room for the labels of the weeks."""

LINES: Final = 4


class Bar(msgspec.Struct, frozen=True):
    """A week: its rectangle, the label below it, and what a pointer on it shows."""

    x: float
    y: float
    width: float
    height: float
    label: str
    title: str


class Line(msgspec.Struct, frozen=True):
    """A line across, and its label."""

    y: float
    label: str


class WeekPlot(msgspec.Struct, frozen=True):
    """The plot."""

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def week_plot(weeks: Sequence[WeekCount]) -> WeekPlot:
    """The plot of these weeks, side by side."""
    top = round_above(max((1.0, *(week.slot_hours for week in weeks))))
    step = (WIDTH - LEFT) / max(1, len(weeks))
    return WeekPlot(tuple(_bars(weeks, step, top)), tuple(_lines(top)))


def _bars(weeks: Sequence[WeekCount], step: float, top: float) -> Iterator[Bar]:
    for number, week in enumerate(weeks):
        height = round((HEIGHT - TOP - BOTTOM) * week.slot_hours / top, 1)
        x = round(LEFT + step * (number + 0.15), 1)
        title = f"week of {week.begins}: {week.slot_hours:,.1f} slot-hours, pods: {week.pods:,}"
        yield Bar(x, round(HEIGHT - BOTTOM - height, 1), round(step * 0.7, 1), height, f"{week.begins:%d %b}", title)


def _lines(top: float) -> Iterator[Line]:
    for number in range(LINES + 1):
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * number / LINES
        yield Line(round(y, 1), f"{top * number / LINES:,.10g}")


def round_above(value: float) -> float:
    """The smallest of 1, 2, 4 and 8 times a power of ten that is no smaller than a value above 0: four parts of it are round numbers."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((power * factor for factor in (1, 2, 4, 8) if power * factor >= value), power * 10)
