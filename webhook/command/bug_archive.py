"""The file of a bug report: a tar archive, compressed, whose headers say nothing about who wrote it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from webhook.command.errors import UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER: Final = "bug-report"
OWNER_ALONE: Final = 0o600


@contextmanager
def new_archive(path: Path) -> Iterator[dict[str, bytes]]:
    """A new file for its owner alone; the block puts the files that it is to contain into the mapping, by their names.

    It exists from the beginning of the block, and is deleted if the block or the writing fails. UnusableError: it exists already, or
    cannot be written.
    """
    with _named_problems(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
    contents: dict[str, bytes] = {}
    try:
        yield contents
        with _named_problems(path), open(descriptor, "wb", closefd=False) as file:
            file.write(_archive(contents))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _named_problems(path: Path) -> Iterator[None]:
    """UnusableError instead of an OSError."""
    try:
        yield
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
