"""The chart's archive has the same bytes each time, and its values name the published image."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from manifests.rendering import CHART
from release.chart_archive import archive_of, index_of
from release.checkout import Checkout
from release.published_image import PublishedImage

if TYPE_CHECKING:
    from pathlib import Path

COMMIT: Final = Checkout("0" * 40, 1_800_000_000, is_changed=False)
IMAGE: Final = PublishedImage("registry.example", "team/webhook", f"sha256:{'0a' * 32}")


def files(archive: bytes) -> dict[str, bytes]:
    """The content of each file."""
    with tarfile.open(fileobj=BytesIO(archive)) as opened:
        return {member.name: found.read() for member in opened if (found := opened.extractfile(member))}


def test_neither_times_nor_modes_of_files_nor_the_folder_change_a_byte(tmp_path: Path) -> None:
    other = tmp_path / CHART.name
    shutil.copytree(CHART, other)
    for path in other.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (0, 0))

    assert archive_of(other, COMMIT, None) == archive_of(CHART, COMMIT, None)


def test_it_has_each_file_of_the_chart_as_it_is_below_the_name_of_the_chart() -> None:
    expected = {f"{CHART.name}/{path.relative_to(CHART).as_posix()}": path.read_bytes() for path in CHART.rglob("*") if path.is_file()}

    assert files(archive_of(CHART, COMMIT, None)) == expected


def test_an_image_replaces_three_values_and_nothing_else() -> None:
    before = files(archive_of(CHART, COMMIT, None))
    after = files(archive_of(CHART, COMMIT, IMAGE))
    name = f"{CHART.name}/values.yaml"
    values, published = yaml.safe_load(before[name]), yaml.safe_load(after[name])

    assert published["image"] == {**values["image"], "registry": IMAGE.registry, "repository": IMAGE.repository, "digest": IMAGE.digest}
    assert {**published, "image": None} == {**values, "image": None}
    assert {**after, name: b""} == {**before, name: b""}


def test_values_without_an_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("other:\n  registry: localhost\n")

    with pytest.raises(ValueError, match=r"no image\.registry"):
        archive_of(tmp_path, COMMIT, IMAGE)


def test_the_index_has_the_digest_and_the_metadata_of_the_chart(tmp_path: Path) -> None:
    archive = tmp_path / "chart-1.tgz"
    archive.write_bytes(b"an archive")
    index = yaml.safe_load(index_of(archive, (CHART / "Chart.yaml").read_text("utf-8"), COMMIT))
    (entry,) = index["entries"][CHART.name]

    assert entry["digest"] == hashlib.sha256(b"an archive").hexdigest()
    assert entry["urls"] == ["chart-1.tgz"]
    assert entry["created"] == index["generated"] == "2027-01-15T08:00:00Z"
    assert entry.items() >= yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8")).items()
