"""The documentation as a site: every link leads somewhere, and a real browser reads and searches it without any other server."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urldefrag

from testbed.wait import until
from tests.support.browser import browser
from tests.support.contrast import READABLE, contrasts_of
from tests.support.served_site import FETCHED, ROOT, built, served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.browser import Browser

WIDTHS: Final = (1280, 390)
"""A desktop's, and a phone's."""

NARROWEST_PICTURE: Final = (
    "Math.min(...[...document.querySelectorAll('article p > img[src$=\".svg\"]')].map(picture => picture.clientWidth))"
)
WIDE_TABLES: Final = "[...document.querySelectorAll('.table-wrapper')].filter(table => table.scrollWidth > table.clientWidth + 1).map(table => table.innerText)"
READABLE_PICTURE: Final = 600
"""The least width of a picture, in pixels: its text then has at least two thirds of its size."""

RESULTS: Final = "[...document.querySelectorAll('#search-results li a')].map(link => link.href)"
IS_SEARCHED: Final = "document.querySelector('#search-results .search-summary')?.textContent"
SECONDS: Final = 60


SEARCHES: Final = {
    "NotReady": ("docs/stuck.html",),
    "stuck pod": ("docs/stuck.html",),
    "pod does not end": ("docs/stuck.html",),
    "certificate expired": ("docs/certificates.html", "docs/alerts.html"),
    "install": ("docs/install.html",),
    "helm install": ("docs/install.html",),
    "reaper": ("docs/reaper.html",),
    "native": ("docs/native.html",),
    "quit request": ("docs/stuck.html", "docs/sidecars.html", "docs/explain.html"),
    "public face": ("docs/decisions/0015-public-face.html", "docs/architecture.html"),
}
"""What people look for, and the pages of which one has to come first."""


def test_the_site_has_every_page_its_links_lead_somewhere_and_a_browser_reads_and_searches_it(tmp_path: Path) -> None:
    """One test, since the site takes some seconds to build, and tests run in several processes."""
    site = built(tmp_path / "site")

    assert pages_without_html(site) == []
    assert broken_links(site) == []

    with served(site) as address, browser(tmp_path / "browser") as opened:
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                assert_readable(opened, f"{address}/index.html", width, scheme)
                assert_readable(opened, f"{address}/docs/stuck.html", width, scheme)
        for width in WIDTHS:
            assert_its_tables_fit(opened, f"{address}/docs/stuck.html", width)
        assert_searched(opened, address)


def pages_without_html(site: Path) -> list[str]:
    """The pages of the repository that are not in the site."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [page.name for page in pages if not (site / page.relative_to(ROOT)).with_suffix(".html").exists()]


def broken_links(site: Path) -> list[str]:
    """The links, pictures and files of all pages that lead to no file of the site, or to no place on its page."""
    found = []
    for page in site.rglob("*.html"):
        for link in re.findall(r'\b(?:href|src|srcset)="([^"]+)"', page.read_text("utf-8")):
            path, place = urldefrag(unquote(link))
            target = page.parent / path.partition("?")[0] if path else page
            if not re.match(r"https?:|data:", link) and not (target.exists() and (not place or place in places(target))):
                found.append(f"{page.relative_to(site)}: {link}")
    return found


@cache
def places(page: Path) -> frozenset[str]:
    """The places on a page to which a link can lead."""
    return frozenset(re.findall(r'\bid="([^"]+)"', page.read_text("utf-8")))


def assert_readable(opened: Browser, address: str, width: int, scheme: str) -> None:
    """A page fits the window, its text and its pictures can be read, and nothing came from another server."""
    opened.visit(address, width, scheme)

    assert opened.run("document.documentElement.scrollWidth") <= width, "only tables, code and pictures scroll sideways"
    assert (opened.run(NARROWEST_PICTURE) or READABLE_PICTURE) >= READABLE_PICTURE
    contrasts = opened.run(
        contrasts_of("article h1, article h2, article p, article li, article a, article th, article td, .sidebar-tree a")
    )
    assert len(contrasts) > 5
    assert {kind: value for kind, value in contrasts.items() if value < READABLE} == {}
    assert [name for name in opened.run(FETCHED) if not name.startswith(address.partition("/docs/")[0].removesuffix("/index.html"))] == []
    background = [int(part) for part in re.findall(r"\d+", opened.run("getComputedStyle(document.body).backgroundColor"))]
    assert (max(background) < 64) == (scheme == "dark")


def assert_its_tables_fit(opened: Browser, address: str, width: int) -> None:
    """What to do, in the last column, is seen without scrolling; where a row is a block, with the heading of its column."""
    opened.visit(address, width, "light")

    assert opened.run(WIDE_TABLES) == []
    heading = opened.run("getComputedStyle(document.querySelector('td:last-child'), '::before').content")
    assert heading == ("none" if width == WIDTHS[0] else '"what to do: "')


def assert_searched(opened: Browser, address: str) -> None:
    """The search puts the page first that helps whoever looks for these words."""
    for query, wanted in SEARCHES.items():
        opened.visit(f"{address}/search.html?q={quote(query)}", WIDTHS[0], "light")
        until(lambda: opened.run(IS_SEARCHED), f"the search for {query} ends", SECONDS)
        first, *_ = (link.partition("?")[0].partition("#")[0].removeprefix(f"{address}/") for link in opened.run(RESULTS))
        assert first in wanted, query
