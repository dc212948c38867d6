"""The user's cache folder: files and folders that take minutes to make, under names made of a digest of their sources."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def folder() -> Path:
    """The folder (XDG Base Directory Specification); created where it is missing."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "airflow-sidecar-webhook"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that one process at a time can hold; print a line where it has to wait. The kernel drops it with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run, which holds {path} …", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """``path``; where it is missing, ``make(unfinished)`` makes it under another name first, so that ``path`` is always complete."""
    if path.exists():
        return path
    with locked(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            unfinished = path.with_name(f".{path.name}.unfinished")
            remove(unfinished)
            make(unfinished)
            unfinished.rename(path)
    return path


def remove(path: Path) -> None:
    """Delete a file or a folder; a missing one is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
