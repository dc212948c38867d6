"""How soon the site shows its first page: `python -m benchmarks.first_paint`, half a minute, in Chromium, from a server on the loopback.

Each visit starts with an empty cache. Needs chromium with chromedriver.
Exit status: 0 when every target was met, 1 when one was missed, 2 without figures, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.output import INTERRUPTED, MISSED, NO_FIGURES, progress, write_figures
from benchmarks.report import table
from docs.site.versions import LATEST
from testbed.wait import until
from tests.support.browser import browser
from tests.support.served_site import FETCHED, built, served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.browser import Browser

PAGES: Final = ("index.html", "docs/stuck.html", "docs/reference.html")
WIDTH: Final = 1280
PAINTED: Final = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
PAINT_SECONDS: Final = 30
MOST_MILLISECONDS: Final = 1000.0


@dataclass(frozen=True)
class PageVisit:
    """One visit of a page.

    Args:
        page: Its path.
        milliseconds: Until the browser has painted the first text or picture.
        fetched: The files that the page has fetched.
        elsewhere: Those of them from another server.

    """

    page: str
    milliseconds: float
    fetched: int
    elsewhere: int


def main() -> int:
    """Read the command line, measure, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_paint", description=__doc__)
    parser.add_argument("--visits", type=int, default=11, help="visits of each page (11)")
    given = parser.parse_args()
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        progress(f"no figures: {' and '.join(missing)} missing: apt-get install chromium chromium-driver")
        return NO_FIGURES
    try:
        visits = measure(given.visits)
    except KeyboardInterrupt:
        return INTERRUPTED
    print(table(rows(visits)))
    write_figures("first_paint", {"visits": [asdict(one) for one in visits]})
    return MISSED if any(one.milliseconds > MOST_MILLISECONDS or one.elsewhere for one in visits) else 0


def measure(count: int) -> list[PageVisit]:
    """Visit each page so many times, after one visit that is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("building the site")
        with served(built(folder / "site")) as address, browser(folder / "browser") as opened:
            visit(opened, address, PAGES[0])
            return [visit(opened, address, page) for _ in range(count) for page in PAGES]


def visit(opened: Browser, address: str, page: str) -> PageVisit:
    """Visit a page with an empty cache. TimeoutError: nothing is painted."""
    opened.forget()
    opened.visit(f"{address}/{LATEST}/{page}", WIDTH, "light")
    until(lambda: opened.run(PAINTED) is not None, "the page is painted", PAINT_SECONDS)
    fetched = opened.run(FETCHED)
    return PageVisit(page, round(opened.run(PAINTED), 1), len(fetched), sum(not name.startswith(address) for name in fetched))


def rows(visits: Sequence[PageVisit]) -> list[list[str]]:
    """The table of all pages."""
    head = ["page", "visits", "first paint, median ms", "fastest", "slowest", "files", "of another server"]
    return [head, *(_row(page, [one for one in visits if one.page == page]) for page in dict.fromkeys(one.page for one in visits))]


def _row(page: str, visits: Sequence[PageVisit]) -> list[str]:
    times = [one.milliseconds for one in visits]
    figures = [f"{it:.0f}" for it in (median(times), min(times), max(times))]
    return [page, str(len(visits)), *figures, str(visits[-1].fetched), str(max(one.elsewhere for one in visits))]


if __name__ == "__main__":
    sys.exit(main())
