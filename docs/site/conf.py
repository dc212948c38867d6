"""How Sphinx makes the site: ``make docs-site``. The pages are those of the repository, read where they are.

`docs/decisions` says why it is Sphinx. What the repository's own pages do and Sphinx does not, is added here: the first page and the
navigation, links to folders, and pictures for light and dark.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs.site.versions import minor_of
from webhook import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]

project = "airflow-sidecar-webhook"
version, release = minor_of(__version__), __version__
html_title = project
copyright = "the maintainers of airflow-sidecar-webhook, Apache-2.0"  # noqa: A001 - Sphinx's name for it
root_doc = "README"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/*.md", "docs/decisions/*.md", "manifests/chart/*/README.md"]
# Sphinx walks through every folder that is not named here.
exclude_patterns = [".*", "tests", "webhook", "build", "dist", "testbed", "benchmarks", "mutants"]

html_theme = "furo"
html_favicon = "../../manifests/chart/airflow-sidecar-webhook/icon.svg"
templates_path, html_static_path = ["templates"], ["static"]
html_css_files, html_js_files = ["pictures.css", "tables.css", "version_list.css"], ["tables.js"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "version_list.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_show_sourcelink = html_copy_source = html_show_sphinx = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
pygments_style, pygments_dark_style = "default", "github-dark"
highlight_language = "none"

html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))

myst_heading_anchors = 4
nitpicky = True
smartquotes = html_use_index = False

NAVIGATION: Final[dict[str, tuple[str, ...]]] = {
    "Start": ("try", "pods", "comparison", "tested"),
    "Install": ("install", "gitops", "certificates", "../manifests/chart/airflow-sidecar-webhook/README", "releases", "../CHANGELOG"),
    "Operate": ("stuck", "explain", "doctor", "report", "reaper", "alerts", "bug_report"),
    "Understand": ("dag_authors", "native", "wrapper", "service", "benchmarks", "attacks", "../SECURITY"),
    "Reference": ("reference", "findings", "sidecars", "command_line"),
    "Contribute": ("../CONTRIBUTING", "../CODE_OF_CONDUCT", "architecture", "testing", "testbed", "decisions/README"),
}
"""The pages by task, from the folder of the docs. Sphinx warns of a page that is not among them, and a warning is an error."""


SEARCH_DISTANCES: Final = {
    "Operate": 0,
    "Install": 1,
    "Start": 2,
    "Reference": 3,
    "Understand": 4,
    "others": 5,
    "../CHANGELOG": 10,
    "Contribute": 10,
    "Records": 30,
}
"""How far the search puts a page, or the pages of a section, behind others: search_scorer.js counts 20 for a query in a page's title."""


def _with_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add what the repository's own view of a page has without words: the pages below it."""
    folder = (ROOT / page).parent
    source[0] = _as_myst(source[0], folder)
    if page == root_doc:
        source[0] += "".join(_toctree(caption, [_name(below) for below in pages]) for caption, pages in NAVIGATION.items())
    elif page == "docs/decisions/README":
        source[0] += _toctree("Records", _records())


def _records() -> list[str]:
    return [f"docs/decisions/{path.stem}" for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))]


def _with_distances(app: Sphinx, page: str, *_: object) -> None:
    """Tell the page of the search how far it puts each page behind others."""
    if page == "search":
        of_pages = {
            _name(one): SEARCH_DISTANCES.get(one, SEARCH_DISTANCES[section]) for section, pages in NAVIGATION.items() for one in pages
        }
        of_records = dict.fromkeys(_records(), SEARCH_DISTANCES["Records"])
        distances = {**of_pages, **of_records, "others": SEARCH_DISTANCES["others"]}
        app.add_js_file(None, body=f"const searchDistances = {json.dumps(distances)};")


def _name(page: str) -> str:
    return page.removeprefix("../") if page.startswith("../") else f"docs/{page}"


def _entry(page: str) -> str:
    return f"The chart </{page}>" if page.startswith("manifests/") else f"/{page}"


def _toctree(caption: str, pages: list[str]) -> str:
    return "\n\n" + "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *map(_entry, pages), "```"])


def _as_myst(text: str, folder: Path) -> str:
    """The text with anchors in MyST's form, and links that lead to no page and no file of the site as plain text."""
    text = re.sub(r'<a id="([^"]+)"></a>', r"(\1)=", text)
    return re.sub(r"\[([^\]]+)\]\(((?!https?:)[^)#]+)\)", lambda link: link[1] if _is_elsewhere(folder / link[2]) else link[0], text)


def _is_elsewhere(target: Path) -> bool:
    return target.is_dir() or target.resolve() == ROOT / "tests" / "mutation" / "summary.md"


def _finish(app: Sphinx, error: Exception | None) -> None:
    """Give the first page its address, and the pictures theirs, which Sphinx does not see in HTML."""
    if error is None:
        shutil.copyfile(app.outdir / "README.html", app.outdir / "index.html")
        shutil.copytree(ROOT / "docs" / "pictures", app.outdir / "docs" / "pictures", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.connect("source-read", _with_navigation)
    app.connect("html-page-context", _with_distances)
    app.connect("build-finished", _finish)
