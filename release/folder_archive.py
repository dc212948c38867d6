"""A folder as a ``.tar.gz`` that has the same bytes each time: the times, owners and modes of its files are not in it.

``helm package`` writes the time of each file and of the archive, so two runs differ.
"""

from __future__ import annotations

import gzip
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from release.checkout import Checkout

FILE_MODE: Final = 0o644
COMPRESSION_LEVEL: Final = 9


def archive_of(folder: Path, commit: Checkout) -> bytes:
    """The archive of a folder's files, below its name."""
    packed = BytesIO()
    # Neither the name of a file nor the time of the compression is in the header.
    compressed = gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=packed, mtime=commit.seconds)
    with compressed, tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            # Its owner is 0, and its time that of the commit.
            member = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            member.size, member.mode, member.mtime = len(content), FILE_MODE, commit.seconds
            archive.addfile(member, BytesIO(content))
    return packed.getvalue()
