"""The index of the chart's repository names its archive."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import yaml

from manifests.rendering import CHART
from release.chart_index import index_of
from release.checkout import Checkout

if TYPE_CHECKING:
    from pathlib import Path

COMMIT: Final = Checkout("0" * 40, 1_800_000_000, is_changed=False)


def test_the_index_has_the_digest_and_the_metadata_of_the_chart(tmp_path: Path) -> None:
    archive = tmp_path / "chart-1.tgz"
    archive.write_bytes(b"an archive")
    index = yaml.safe_load(index_of(archive, (CHART / "Chart.yaml").read_text("utf-8"), COMMIT))
    (entry,) = index["entries"][CHART.name]

    assert entry["digest"] == hashlib.sha256(b"an archive").hexdigest()
    assert entry["urls"] == ["chart-1.tgz"]
    assert entry["created"] == index["generated"] == "2027-01-15T08:00:00Z"
    assert entry.items() >= yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8")).items()
