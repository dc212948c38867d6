"""The plot of weeks."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.report.document import WeekCount
from webhook.report.week_plot import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, week_plot

MONDAY = date(2026, 3, 2)
HOURS = st.floats(0, 1e9)


def weeks(*hours: float) -> list[WeekCount]:
    """Weeks with so many slot-hours."""
    return [WeekCount(MONDAY + timedelta(weeks=number), one, 1) for number, one in enumerate(hours)]


@given(st.lists(HOURS, min_size=1, max_size=12))
def test_every_bar_is_within_the_plot_and_none_covers_another(hours: list[float]) -> None:
    plot = week_plot(weeks(*hours))

    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH for bar in plot.bars)
    assert all(bar.y >= TOP - 0.1 and bar.y + bar.height <= HEIGHT - BOTTOM + 0.1 for bar in plot.bars)
    assert all(one.x + one.width < other.x for one, other in zip(plot.bars, plot.bars[1:], strict=False))


def test_bars_are_as_high_as_their_hours_and_the_lines_have_round_numbers() -> None:
    plot = week_plot(weeks(0, 15, 30))

    assert [line.label for line in plot.lines] == ["0", "10", "20", "30", "40"]
    assert plot.bars[0].height == 0
    assert plot.bars[2].height == pytest.approx(2 * plot.bars[1].height, abs=0.2)
    assert plot.bars[1].y == pytest.approx(plot.lines[0].y - plot.bars[1].height, abs=0.1)


def test_the_lines_of_a_large_fleet_have_their_hours_written_out() -> None:
    assert [line.label for line in week_plot(weeks(70_000)).lines] == ["0", "20,000", "40,000", "60,000", "80,000"]


def test_weeks_without_a_held_pod_have_a_plot_too() -> None:
    assert [bar.height for bar in week_plot(weeks(0, 0)).bars] == [0, 0]
    assert week_plot([]).bars == ()
