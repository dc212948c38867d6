"""What a test needs of the machine; where it is missing the test is skipped, and fails where CI is set to true."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def require_root() -> None:
    """Namespaces, chroot and another user take root."""
    if os.geteuid() != 0:
        _missing("root")


def require_program(name: str) -> Path:
    """Where a program is, as a path without links: an image is made of links to it."""
    found = shutil.which(name)
    if found is None:
        _missing(name)
    return Path(found or name).resolve()


def _missing(what: str) -> None:
    message = f"this test needs {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}, and in CI all of them run")
    pytest.skip(message)
