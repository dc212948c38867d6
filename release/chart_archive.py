"""The chart as a ``.tgz`` that has the same bytes each time, and the index of a chart repository that has this one chart.

``helm package`` writes the time of each file and of the archive, so two runs differ.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from release.checkout import Checkout

FILE_MODE: Final = 0o644
COMPRESSION_LEVEL: Final = 9


def archive_of(chart: Path, commit: Checkout) -> bytes:
    """The archive of a chart's folder."""
    packed = BytesIO()
    # Neither the name of a file nor the time of the compression is in the header.
    compressed = gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=packed, mtime=commit.seconds)
    with compressed, tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in chart.rglob("*") if path.is_file()):
            content = path.read_bytes()
            # Its owner is 0, and its time that of the commit.
            member = tarfile.TarInfo(f"{chart.name}/{path.relative_to(chart).as_posix()}")
            member.size, member.mode, member.mtime = len(content), FILE_MODE, commit.seconds
            archive.addfile(member, BytesIO(content))
    return packed.getvalue()


def index_of(archive: Path, metadata: str, commit: Checkout) -> str:
    """The ``index.yaml`` of a repository with this archive alone. ``metadata``: the text of its Chart.yaml."""
    time = commit.time.isoformat().replace("+00:00", "Z")
    entry = {
        **yaml.safe_load(metadata),
        "created": time,
        "digest": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "urls": [archive.name],
    }
    return yaml.safe_dump({"apiVersion": "v1", "entries": {entry["name"]: [entry]}, "generated": time}, width=1000, allow_unicode=True)
