"""The page in a real browser: on a desktop and on a phone, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.browser import Browser, browser
from tests.support.contrast import READABLE, contrasts_of
from tests.support.sample_report import HOURS, LONG, sample_report
from webhook.report.page import write_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTHS: Final = (1280, 390)
"""A desktop's, and a phone's."""

SCHEMES: Final = ("light", "dark")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests: it takes a second to start."""
    with browser(tmp_path_factory.mktemp("browser")) as driven:
        yield driven


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, with names that cannot be broken."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(write_page(sample_report(LONG)), "utf-8")
    return file


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_the_window_and_all_its_text_is_readable(opened: Browser, page: Path, width: int, scheme: str) -> None:
    opened.show(page, width, scheme)

    assert opened.run("document.documentElement.scrollWidth") <= width, "only tables scroll sideways"
    assert opened.run("document.body.scrollHeight") > 900
    contrasts = opened.run(contrasts_of("h1, h2, p, th, td, li, b, .word, .soft, figcaption"))
    assert len(contrasts) > 8
    assert {kind: value for kind, value in contrasts.items() if value < READABLE} == {}


def test_dark_is_dark_and_light_is_light(opened: Browser, page: Path) -> None:
    colours = []
    for scheme in SCHEMES:
        opened.show(page, WIDTHS[0], scheme)
        colours.append(opened.run("getComputedStyle(document.body).backgroundColor"))

    assert colours == ["rgb(255, 255, 255)", "rgb(18, 22, 28)"]


def test_the_plot_has_a_bar_for_each_week_as_high_as_its_slot_hours(opened: Browser, page: Path) -> None:
    opened.show(page, WIDTHS[0], "light")
    heights = opened.run('[...document.querySelectorAll("svg rect")].map(bar => bar.getBoundingClientRect().height)')

    assert len(heights) == len(HOURS)
    tallest = max(heights)
    assert tallest > 80
    assert [height / tallest for height in heights] == pytest.approx([hours / max(HOURS) for hours in HOURS], abs=0.01)


def test_each_treatment_has_a_colour_of_its_own_and_a_share_of_the_bar(opened: Browser, page: Path) -> None:
    opened.show(page, WIDTHS[0], "light")
    parts = opened.run('[...document.querySelectorAll(".share span")].map(e => [getComputedStyle(e).backgroundColor, e.clientWidth])')
    treatments = sample_report().treatments

    assert len(parts) == len(treatments) == len({colour for colour, _ in parts})
    assert "rgba(0, 0, 0, 0)" not in {colour for colour, _ in parts}
    widest = max(width for _, width in parts)
    most = max(one.pods for one in treatments)
    assert [width / widest for _, width in parts] == pytest.approx([one.pods / most for one in treatments], abs=0.01)


def test_the_browser_loads_nothing_and_has_nothing_to_complain_of(opened: Browser, page: Path) -> None:
    opened.complaints()
    opened.show(page, WIDTHS[0], "light")

    assert opened.run('performance.getEntriesByType("resource").length') == 0
    assert [line for line in opened.complaints() if "favicon" not in line] == []
    assert opened.run("document.scripts.length") == 0
