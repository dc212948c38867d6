"""The file of a bug report: a tar archive, compressed, whose headers say nothing about who wrote it."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING, Final

from webhook.command.errors import UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER: Final = "bug-report"
OWNER_ALONE: Final = 0o600


def write_archive(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new file for its owner alone, with these files. UnusableError: it exists, or cannot be written."""
    try:
        path.touch(OWNER_ALONE, exist_ok=False)
        path.write_bytes(_archive(contents))
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}"
        raise UnusableError(message) from error


def _archive(contents: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    # A TarInfo of its own has neither a user's name nor a time, and gzip writes no name of a file.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, data in contents.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode = len(data), OWNER_ALONE
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
