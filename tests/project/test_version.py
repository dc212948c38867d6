"""The version stands in ``webhook/__init__.py``; whatever else names it says the same."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import yaml

from manifests.generate import CHART_YAML, INSTALL
from webhook import __version__

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")) if path.name != "CHANGELOG.md"]
IMAGE: Final = re.compile(r"airflow-sidecar-webhook:(\d+\.\d+\.\d+)")


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_installed_package_has_it() -> None:
    assert version("airflow-sidecar-webhook") == __version__, "run: make check, which installs it again"


def test_the_chart_has_it_and_so_has_what_is_made_from_the_chart() -> None:
    chart = yaml.safe_load(CHART_YAML.read_text("utf-8"))

    assert {chart["version"], chart["appVersion"]} == {__version__}
    assert set(IMAGE.findall(INSTALL.read_text("utf-8"))) == {__version__}


def test_the_newest_section_of_the_changelog_is_its() -> None:
    newest, *_ = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert newest == __version__


@pytest.mark.parametrize("page", [page for page in PAGES if IMAGE.search(page.read_text("utf-8"))], ids=lambda page: page.name)
def test_a_page_that_names_an_image_names_that_of_this_version(page: Path) -> None:
    assert set(IMAGE.findall(page.read_text("utf-8"))) == {__version__}
