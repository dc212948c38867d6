"""The documentation as a site: every link leads somewhere, and a real browser reads and searches it without any other server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urldefrag, urlsplit

from docs.site.versions import minor_of
from release.checkout import checkout
from release.folder_archive import archive_of
from testbed.wait import until
from tests.support.browser import browser
from tests.support.contrast import READABLE, contrasts_of
from tests.support.served_site import FETCHED, ROOT, built, served
from webhook import __version__

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
VERSIONS: Final = "[...document.querySelectorAll('.version-list li')].map(entry => [entry.textContent, entry.querySelector('a')?.href])"
OLD_VERSION: Final = "[...document.querySelectorAll('article > .old-version a')].map(link => [link.textContent, link.href])"
SECONDS: Final = 60

MINOR: Final = minor_of(__version__)
OLDER: Final = "0.0"
GONE: Final = "docs/stuck"
"""The page that the last release of the older version does not have."""

SEARCHES: Final = {
    "stuck pod": ("docs/stuck.html",),
    "certificate expired": ("docs/certificates.html", "docs/alerts.html"),
    "install": ("docs/install.html",),
    "reaper": ("docs/reaper.html",),
    "quit request": ("docs/stuck.html", "docs/sidecars.html", "docs/explain.html"),
    "public face": ("docs/decisions/0015-public-face.html", "docs/architecture.html"),
}
"""What people look for, and the pages of which one has to come first."""


def test_the_site_has_every_page_its_links_lead_somewhere_and_a_browser_reads_searches_and_changes_its_versions(tmp_path: Path) -> None:
    """One test, since the site takes some seconds to build, and tests run in several processes."""
    site = built(tmp_path / "site")

    assert pages_without_html(site / MINOR) == []
    assert broken_links(site) == []

    published = published_with_an_older_version(site, tmp_path / "published")
    with served(published) as address, browser(tmp_path / "browser") as opened:
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                assert_readable(opened, f"{address}/{MINOR}/index.html", width, scheme)
                assert_readable(opened, f"{address}/{OLDER}/docs/install.html", width, scheme)
        for width in WIDTHS:
            assert_its_tables_fit(opened, f"{address}/latest/docs/stuck.html", width)
        assert_searched(opened, f"{address}/latest")
        assert_versions_are_changed(opened, address)
        assert_an_old_page_leads_to_the_newest_version(opened, published.as_uri())
        assert_a_version_alone_lists_no_other(opened, published)


def published_with_an_older_version(site: Path, target: Path) -> Path:
    """The site as a release publishes it: from its archive, and from those of an older version, which has not all its pages."""
    archives = target.with_name("archives")
    archives.mkdir()
    pages = shutil.copytree(site / MINOR, target.with_name("older") / OLDER)
    for page in pages.rglob("*.html"):
        page.write_text(page.read_text("utf-8").replace(f'data-version="{MINOR}"', f'data-version="{OLDER}"'), "utf-8")
    pack(pages, archives, f"{OLDER}.9")
    (pages / f"{GONE}.html").unlink()
    pack(pages, archives, f"{OLDER}.10")
    pack(site / MINOR, archives, __version__)
    subprocess.run([sys.executable, "-m", "docs.site.versions", target, *archives.iterdir()], cwd=ROOT, check=True)
    return target


def pack(pages: Path, archives: Path, version: str) -> None:
    """Write a version's archive, as a release has it."""
    (archives / f"airflow-sidecar-webhook-site-{version}.tar.gz").write_bytes(archive_of(pages, checkout()))


def pages_without_html(site: Path) -> list[str]:
    """The pages of the repository that are not in the site."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [page.name for page in pages if not (site / page.relative_to(ROOT)).with_suffix(".html").exists()]


def broken_links(site: Path) -> list[str]:
    """The links, pictures and files of all pages that lead to no file of the site, or to no place on its page."""
    found = []
    for page in (site / "index.html", *(site / MINOR).rglob("*.html")):
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
    assert [name for name in opened.run(FETCHED) if urlsplit(name).netloc != urlsplit(address).netloc] == []
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
        # The results are listed in their order, and each then fetches its page: the first is enough.
        first = until(lambda: opened.run(RESULTS), f"something is found for {query}", SECONDS)[0]
        assert first.partition("?")[0].partition("#")[0].removeprefix(f"{address}/") in wanted, query


def assert_versions_are_changed(opened: Browser, address: str) -> None:
    """Every page lists the versions with the same page of each, or its first page, and the first address leads to the newest."""
    opened.visit(f"{address}/", WIDTHS[0], "light")
    until(lambda: opened.run("location.href") == f"{address}/latest/index.html", "the first page leads to the newest version", SECONDS)
    assert opened.run(VERSIONS) == [[f"{MINOR} (this one)", None], [OLDER, f"{address}/{OLDER}/README.html"]]
    assert opened.run(OLD_VERSION) == []
    opened.visit(f"{address}/{MINOR}/{GONE}.html", WIDTHS[0], "light")
    assert opened.run(VERSIONS)[1] == [OLDER, f"{address}/{OLDER}/index.html"]
    opened.visit(f"{address}/{MINOR}/search.html?q=reaper", WIDTHS[0], "light")
    assert opened.run(VERSIONS)[1] == [OLDER, f"{address}/{OLDER}/search.html?q=reaper"]
    assert_an_old_page_leads_to_the_newest_version(opened, address)


def assert_an_old_page_leads_to_the_newest_version(opened: Browser, address: str) -> None:
    """In the list and at the top, also where the site is opened as files."""
    newer = f"{address}/{MINOR}/docs/install.html"
    opened.visit(f"{address}/{OLDER}/docs/install.html", WIDTHS[0], "light")

    assert opened.run(VERSIONS) == [[MINOR, newer], [f"{OLDER} (this one)", None]]
    assert opened.run(OLD_VERSION) == [[f"The newest version is {MINOR}.", newer]]


def assert_a_version_alone_lists_no_other(opened: Browser, published: Path) -> None:
    """A version's archive that somebody unpacks can be read, and says which version it is."""
    alone = published.with_name("alone")
    shutil.copytree(published / MINOR, alone / MINOR)
    opened.show(alone / MINOR / "docs" / "install.html", WIDTHS[0], "light")

    assert opened.run(VERSIONS) == []
    assert opened.run("document.querySelector('.version-list').innerText") == f"Version {__version__}"
