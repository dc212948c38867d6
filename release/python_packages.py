"""The wheel and the sdist, with the times of the commit."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from release.checkout import Checkout


def build_python_packages(source: Path, target: Path, commit: Checkout) -> None:
    """Build both from a copy of the tracked files into a folder. CalledProcessError."""
    command = (sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--target", "wheel", "--directory", target)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(commit.seconds)}
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
