"""Builds a release as ``make release`` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
REPOSITORY: Final = "https://github.com/team/airflow-sidecar-webhook"
IMAGE: Final = f"registry.example/team/airflow-sidecar-webhook@sha256:{'0a' * 32}"


def make_site(target: Path, **environment: str) -> Path:
    """The folder with the site of this version, built as `make docs-site` does. AssertionError: it was not built."""
    command: list[str | Path] = [sys.executable, "-m", "docs.site.build", target]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def make_release(
    target: Path, *options: str | Path, project: Path = ROOT, image: str = IMAGE, umask: int = 0o022, **environment: str
) -> Path:
    """The folder with the files of a release of a checkout that names this image. AssertionError: none was built."""
    command = [sys.executable, "-m", "release", "--target", target, "--image", image, *options]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=project, env=variables, umask=umask, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target
