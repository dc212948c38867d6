"""A release of this checkout."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from release.checkout import checkout, copy_tracked_files
from release.python_packages import build_python_packages
from testbed import binaries
from tests.e2e.levels import require
from tests.e2e.release.builds import REPOSITORY, make_release, make_site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="package")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with its files."""
    require(binaries.HELM)
    folder = tmp_path_factory.mktemp("release")
    return make_release(folder / "dist", "--repository", REPOSITORY, "--site", make_site(folder / "site"))


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its wheel alone, which needs no Helm."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    copy_tracked_files(source)
    try:
        build_python_packages(source, target, checkout())
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr.decode())
    (built,) = target.glob("*.whl")
    return built
