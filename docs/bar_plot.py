"""A plot of bars, side by side from top to bottom, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from docs.drawing import drawn
from webhook.report.week_plot import round_above

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 760
RIGHT: Final = 96
LEAST_LEFT: Final = 96.0
"""Room for the values behind the bars, and at least for the names in front of them."""

ROW: Final = 24
BAR: Final = 15
TITLE: Final = 26
"""The height of a row, of its bar, and of the name of a group."""

TOP: Final = 14
BOTTOM: Final = 44
LINES: Final = 4
CHARACTER: Final = 6.9
"""The width of a character, at most."""


@dataclass(frozen=True)
class PlottedBar:
    """A value with what it was in the worst and in the best case.

    Args:
        name: In front of the bar.
        value: Its length.
        low: The least value; a thin line shows the range.
        high: The largest one.
        text: The value in words, behind the bar.
        colour: A class of `colours.css.jinja`.

    """

    name: str
    value: float
    low: float
    high: float
    text: str
    colour: str = "violet"


@dataclass(frozen=True)
class BarGroup:
    """Bars that are compared with each other, and what they have in common."""

    name: str
    bars: tuple[PlottedBar, ...]


@dataclass(frozen=True)
class PlacedBar:
    """A bar with its place; ``range`` is the thin line, from x to x."""

    bar: PlottedBar
    y: float
    width: float
    range: tuple[float, float]
    text_x: float


def bar_plot(title: str, unit: str, groups: Sequence[BarGroup], target: float | None = None) -> str:
    """The picture. ``target``: a line across, in the unit."""
    bars = [bar for group in groups for bar in group.bars]
    top = round_above(max(*(bar.high for bar in bars), target or 0.0))
    left = max(LEAST_LEFT, 20 + max(len(bar.name) for bar in bars) * CHARACTER)

    def at(value: float) -> float:
        return round(left + (WIDTH - left - RIGHT) * value / top, 1)

    def placed() -> Iterator[tuple[str, float, list[PlacedBar]]]:
        y = float(TOP)
        for group in groups:
            begin = y + (TITLE if group.name else 0)
            rows = [
                PlacedBar(
                    bar, begin + number * ROW, round(at(bar.value) - left, 1), (at(bar.low), at(bar.high)), at(max(bar.value, bar.high)) + 8
                )
                for number, bar in enumerate(group.bars)
            ]
            yield group.name, y, rows
            y = begin + len(rows) * ROW + 8

    shown = list(placed())
    end = shown[-1][2][-1].y + ROW
    return drawn(
        "bars.svg.jinja",
        title=title,
        unit=unit,
        groups=shown,
        ticks=[(at(top * number / LINES), f"{top * number / LINES:,.10g}") for number in range(LINES + 1)],
        target=None if target is None else (at(target), f"{target:,.10g}"),
        left=left,
        width=WIDTH,
        height=end + BOTTOM,
        end=end,
        bar_height=BAR,
    )
