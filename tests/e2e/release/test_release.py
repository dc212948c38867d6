"""The files of a release: the same bytes each time, complete, and taken by Helm."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from manifests.rendering import CHART, KUBERNETES, NAME, helm
from release.build import CHECKSUMS
from testbed import prerequisites
from testbed.images.webhook_image import webhook_image
from tests.e2e.release.builds import IMAGE, REPOSITORY, make_release, make_site
from webhook import __version__

ROOT: Final = Path(__file__).parents[3]
SITE_ARCHIVE: Final = f"{NAME}-site-{__version__}.tar.gz"
CHART_ARCHIVE: Final = f"{NAME}-{__version__}.tgz"
FILES: Final = {
    "RELEASE_NOTES.md",
    CHECKSUMS,
    f"{NAME}-{__version__}.cdx.json",
    CHART_ARCHIVE,
    SITE_ARCHIVE,
    f"airflow_sidecar_webhook-{__version__}-py3-none-any.whl",
    f"airflow_sidecar_webhook-{__version__}.tar.gz",
    "alerts.yaml",
    "alerts_prometheus_operator.yaml",
    "index.yaml",
    "install.yaml",
    "install_policy.yaml",
    "reaper.yaml",
    "requirements.txt",
}


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of each file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_runs_write_the_same_bytes_wherever_and_by_whomever_they_are_made(dist: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    folder, temporary = tmp_path / "another", str(tmp_path / "tmp")
    site = make_site(folder / "site", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", TMPDIR=temporary)
    options = ("--repository", REPOSITORY, "--site", site)
    other = make_release(folder / "dist", *options, umask=0o077, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", TMPDIR=temporary)

    assert contents(other) == contents(dist)


def test_it_has_every_file_that_the_page_names_and_the_checksum_of_each(dist: Path) -> None:
    checked = subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=dist, capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs" / "releases.md").read_text("utf-8").replace("VERSION", __version__)

    assert {path.name for path in dist.iterdir()} == FILES
    assert set(re.findall(r"^(.+): OK$", checked, re.MULTILINE)) == FILES - {CHECKSUMS}
    assert {name for name in FILES if f"`{name}`" not in page} == {f"airflow_sidecar_webhook-{__version__}.tar.gz"}  # as `….tar.gz`


def test_helm_finds_nothing_wrong_with_the_chart_and_renders_it_as_its_folder(dist: Path) -> None:
    image = yaml.safe_load(helm("show", "values", dist / CHART_ARCHIVE))["image"]
    options = [f"--set=image.{key}={image[key]}" for key in ("registry", "repository", "digest")]
    cluster = ("--kube-version", KUBERNETES)

    assert "0 chart(s) failed" in helm("lint", "--strict", dist / CHART_ARCHIVE)
    assert helm("template", NAME, dist / CHART_ARCHIVE, *cluster) == helm("template", NAME, CHART, *cluster, *options)


def test_helm_shows_where_the_chart_comes_from_and_the_index_does(dist: Path) -> None:
    shown = yaml.safe_load(helm("show", "chart", dist / CHART_ARCHIVE))
    (entry,) = yaml.safe_load((dist / "index.yaml").read_text("utf-8"))["entries"][NAME]

    for metadata in (shown, entry):
        assert (metadata["home"], metadata["sources"]) == (REPOSITORY, [REPOSITORY])
        assert IMAGE in metadata["annotations"]["artifacthub.io/images"]


@pytest.mark.parametrize(("name", "containers"), [("install.yaml", 1), ("reaper.yaml", 1)])
def test_what_kubectl_applies_runs_the_published_image_by_its_digest(dist: Path, name: str, containers: int) -> None:
    assert re.findall(r"^ *(?:- )?image: (.*)$", (dist / name).read_text("utf-8"), re.MULTILINE) == [IMAGE] * containers


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")

    with pytest.raises(AssertionError, match="is not empty"):
        make_release(tmp_path)

    assert (tmp_path / "mine").exists()


def test_a_tag_of_another_version_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the tag is v9\.9\.9"):
        make_release(tmp_path / "dist", "--tag", "v9.9.9")

    assert not (tmp_path / "dist").exists()


def test_the_image_contains_the_pinned_dependencies_and_is_listed_with_debians_packages(tmp_path: Path) -> None:
    if reason := prerequisites.missing():
        pytest.skip(reason)
    listed = make_release(tmp_path / "dist", "--image-archive", webhook_image().archive()) / f"{NAME}-image-{__version__}-amd64.cdx.json"
    components = {component["purl"] for component in json.loads(listed.read_text("utf-8"))["components"]}
    pinned = json.loads((tmp_path / "dist" / f"{NAME}-{__version__}.cdx.json").read_text("utf-8"))["components"]

    assert {component["purl"] for component in pinned if "properties" not in component} <= {spelt(purl) for purl in components}
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in components)
    assert any(purl.startswith("pkg:generic/busybox@") for purl in components)


def spelt(purl: str) -> str:
    """A package's URL, its name spelt as pip does (https://peps.python.org/pep-0503/#normalized-names)."""
    name, at, version = purl.partition("@")
    return name.replace("_", "-").lower() + at + version
