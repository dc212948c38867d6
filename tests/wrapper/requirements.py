"""What a test needs of the machine. Where it is missing the test is skipped; with CI=true it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def require_root() -> None:
    """Namespaces, chroot and a change of the user need root."""
    if os.geteuid() != 0:
        _missing("root")


def require_program(name: str) -> Path:
    """The path of a program, with links resolved: an image is made of links to it."""
    found = shutil.which(name)
    if found is None:
        _missing(name)
    return Path(found or name).resolve()


def require_access_times(path: Path) -> None:
    """A read of a file below this path must show in its access time."""
    if os.statvfs(path).f_flag & os.ST_NOATIME:
        _missing(f"a file system that is mounted without noatime at {path}")


def _missing(what: str) -> None:
    message = f"this test needs {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; in CI no test may be skipped")
    pytest.skip(message)
