"""The picture of the dashboard: what draws it, and where the docs show it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pictures.panel_plot import Series, bar_plot, line_plot, shown

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 200 * 1024


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readme_and_the_docs_show_it_and_it_is_small(scheme: str) -> None:
    name = f"pictures/dashboard-{scheme}.png"
    assert (ROOT / "docs" / name).stat().st_size <= MOST_BYTES
    assert all(name in (ROOT / page).read_text("utf-8") for page in ("README.md", "docs/install.md"))


def test_a_line_begins_anew_after_a_time_without_values() -> None:
    plot = line_plot([Series("a", {0: 0.0, 1: 8.0, 60: 4.0})], 120, "short")
    assert plot.corners == (("62.0,130.0 65.5,8.0", "271.0,69.0"),)
    assert [line.label for line in plot.lines] == ["0", "2", "4", "6", "8"]


def test_bars_are_stacked_and_none_is_drawn_of_nothing() -> None:
    plot = bar_plot([Series("a", {60: 1.0}), Series("b", {60: 3.0}), Series("c", {60: 0.0})], 120, "h", 5)
    (one,), (other,), none = plot.bars
    assert (one.y + one.height, one.y, other.y + other.height, other.y, none) == (130.0, 99.5, 99.5, 8.0, ())
    assert [line.label for line in plot.lines] == ["0 h", "1 h", "2 h", "3 h", "4 h"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0125, "s", "12.5 ms"), (2.0, "s", "2 s"), (0.0, "s", "0 s"), (2e-5, "s", "20 µs"), (7.0, "d", "7 days"), (4.0, "reqps", "4 req/s")],
)
def test_a_value_has_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_a_panel_without_data_has_its_axis() -> None:
    assert line_plot([], 120, "short").corners == ()
    assert bar_plot([], 120, "short", 5).bars == ()
