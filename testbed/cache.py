"""The user's cache folder: what took minutes to make, kept by what it was made of."""

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
    """Where it is (XDG Base Directory Specification), made if it was not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "airflow-sidecar-webhook"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time be here, and say so where it has to wait; the lock ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run, which holds {path} …", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(path: Path, make: Callable[[Path], None]) -> Path:
    """``path``, made by ``make(unfinished)`` unless it is there already. A half-made one is never found under its name."""
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
    """Delete a file or a folder, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
