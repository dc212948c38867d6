"""A published chart names its image and its repository, and is otherwise the chart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from manifests.rendering import CHART
from release.published_chart import name_image, name_repository
from release.published_image import PublishedImage

IMAGE: Final = PublishedImage("registry.example", "team/webhook", f"sha256:{'0a' * 32}")
ADDRESS: Final = "https://github.com/team/airflow-sidecar-webhook"
LISTED: Final = "artifacthub.io/images"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(CHART, tmp_path / CHART.name))


def content(chart: Path, name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((chart / name).read_text("utf-8"))
    return parsed


def others(chart: Path, *names: str) -> dict[str, bytes]:
    """Each file but these."""
    return {path.relative_to(chart).as_posix(): path.read_bytes() for path in chart.rglob("*") if path.is_file() and path.name not in names}


def test_an_image_replaces_three_values_and_is_listed_for_scanners(chart: Path) -> None:
    values, metadata = content(CHART, "values.yaml"), content(CHART, "Chart.yaml")
    name_image(chart, IMAGE)
    published, described = content(chart, "values.yaml"), content(chart, "Chart.yaml")
    annotations = described["annotations"]

    assert published["image"] == {**values["image"], "registry": IMAGE.registry, "repository": IMAGE.repository, "digest": IMAGE.digest}
    assert {**published, "image": None} == {**values, "image": None}
    assert yaml.safe_load(annotations[LISTED]) == [{"name": CHART.name, "image": f"registry.example/team/webhook@{IMAGE.digest}"}]
    assert annotations == {**metadata["annotations"], LISTED: annotations[LISTED]}
    assert {**described, "annotations": None} == {**metadata, "annotations": None}
    assert others(chart, "values.yaml", "Chart.yaml") == others(CHART, "values.yaml", "Chart.yaml")


def test_values_without_an_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("other:\n  registry: localhost\n")

    with pytest.raises(ValueError, match=r"no image\.registry"):
        name_image(tmp_path, IMAGE)


def test_a_repository_is_the_home_and_the_only_source(chart: Path) -> None:
    name_repository(chart, ADDRESS)

    assert content(chart, "Chart.yaml") == {**content(CHART, "Chart.yaml"), "home": ADDRESS, "sources": [ADDRESS]}
    assert others(chart, "Chart.yaml") == others(CHART, "Chart.yaml")


def test_the_chart_itself_names_no_address() -> None:
    assert {"home", "sources"}.isdisjoint(content(CHART, "Chart.yaml"))


@pytest.mark.parametrize("address", ["github.com/team/webhook", "https://github.com", "https://github.com/team/web hook", f"{ADDRESS}/"])
def test_what_is_no_address_of_a_repository_is_refused(address: str, chart: Path) -> None:
    with pytest.raises(ValueError, match="is not the address of a repository"):
        name_repository(chart, address)
