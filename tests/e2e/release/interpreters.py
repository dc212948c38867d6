"""The Pythons of this machine: on the PATH, or among those of pyenv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[3]
VERSIONS: Final = tuple(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8")))
"""Those for which the package is made."""


def interpreter(version: str) -> Path | None:
    """A Python of this version that can make virtual environments, if there is one."""
    return next((path for path in _candidates(version) if _is_usable(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    if found := shutil.which(name):
        yield Path(found)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(versions.glob(f"{version}.*/bin/{name}"))


def _is_usable(path: Path, version: str) -> bool:
    """A name on the PATH may be pyenv's, for a version that is not switched on."""
    program = "import ensurepip, sys, venv; print(*sys.version_info[:2], sep='.')"
    done = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() == version
