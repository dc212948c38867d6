"""The archive of a folder, here the chart's, has the same bytes each time."""

from __future__ import annotations

import os
import shutil
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Final

from manifests.rendering import CHART
from release.checkout import Checkout
from release.folder_archive import archive_of

if TYPE_CHECKING:
    from pathlib import Path

COMMIT: Final = Checkout("0" * 40, 1_800_000_000, is_changed=False)


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

    assert archive_of(other, COMMIT) == archive_of(CHART, COMMIT)


def test_it_has_each_file_of_the_chart_as_it_is_below_the_name_of_the_chart() -> None:
    expected = {f"{CHART.name}/{path.relative_to(CHART).as_posix()}": path.read_bytes() for path in CHART.rglob("*") if path.is_file()}

    assert files(archive_of(CHART, COMMIT)) == expected
