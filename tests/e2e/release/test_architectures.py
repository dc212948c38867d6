"""Every pinned dependency has a wheel for each architecture of the image and each Python, by a hash of the lock."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.release.interpreters import ROOT, VERSIONS

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENTS: Final = ROOT / "requirements" / "runtime.txt"
ARCHITECTURES: Final = ("x86_64", "aarch64")
"""As wheels name what images call amd64 and arm64."""

GLIBC: Final = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""All that Debian 12 can load, whose glibc is 2.36, and that projects build for."""

NO_NETWORK: Final = re.compile(r"connection|timed out|name resolution|network|temporary failure", re.IGNORECASE)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_there_is_a_wheel_for_every_pin(architecture: str, version: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    platforms = [f"--platform={glibc}_{architecture}" for glibc in GLIBC]
    resolve = ("--dry-run", "--ignore-installed", "--no-deps", "--require-hashes", "--only-binary=:all:", f"--python-version={version}")
    places = ("--report", report, "--target", tmp_path / "none", "--requirement", REQUIREMENTS)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *resolve,
        *platforms,
        *places,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution" not in done.stderr and NO_NETWORK.search(done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr

    names = [package["download_info"]["url"].rpartition("/")[2] for package in json.loads(report.read_text("utf-8"))["install"]]
    pins = re.findall(r"^[\w.-]+==", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    assert len(names) == len(pins)
    assert all(name.endswith(("-any.whl", f"_{architecture}.whl")) for name in names), names
    assert any(name.endswith(f"_{architecture}.whl") for name in names), "the compiled ones were among them"
