"""The wheel with the pinned dependencies, in an empty environment, on each Python of this machine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.release.interpreters import ROOT, VERSIONS, interpreter
from tests.support.pods import FIXTURES
from webhook import __version__
from webhook.command.command import PLUGIN_FILE, PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

FOUND: Final = {version: path for version in VERSIONS if (path := interpreter(version))}
POD: Final = FIXTURES / "airflow-3.3.2-provider-10.25.0" / "ke_default.json"


@pytest.fixture(scope="module", params=FOUND)
def environment(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder of programs."""
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([FOUND[request.param], "-m", "venv", folder], check=True)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    subprocess.run([*pip, "--require-hashes", "--only-binary=:all:", "--requirement", ROOT / "requirements" / "runtime.txt"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    return folder / "bin"


def run(program: Path, *arguments: str | Path) -> str:
    """What a program prints, outside the checkout."""
    return subprocess.run([program, *arguments], cwd=program.parent, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("name", [PROGRAM, PLUGIN_FILE])
def test_it_says_its_version(environment: Path, name: str) -> None:
    assert run(environment / name, "--version") == f"{__version__}\n"


def test_it_explains_a_pod(environment: Path) -> None:
    assert "labelled (no-sidecar)" in run(environment / PROGRAM, "explain", POD)


def test_what_it_needs_is_installed_and_nothing_conflicts(environment: Path) -> None:
    assert run(environment / "python", "-m", "pip", "check") == "No broken requirements found.\n"


def test_the_summary_says_on_which_pythons_it_ran(measured: list[str]) -> None:
    missing = [version for version in VERSIONS if version not in FOUND]
    measured.append(f"the wheel ran on Python {', '.join(FOUND)}; not on this machine: {', '.join(missing) or 'none'}")

    assert FOUND
