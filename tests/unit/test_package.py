"""The package as it is installed: with its data, without this checkout."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.pods import FIXTURES
from webhook.command.command import PLUGIN_FILE, PROGRAM

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_all_that_the_program_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    monkeypatch.chdir(tmp_path)
    pod = FIXTURES / "airflow-3.3.2-provider-10.25.0" / "ke_default.json"
    # -P and a path of its own: the wheel is found before the checkout.
    program = f"import sys; sys.path.insert(0, {str(wheel)!r}); import webhook; print(webhook.__file__); from webhook.command.main import run; run(['explain', {str(pod)!r}])"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.startswith(str(wheel))
    assert "labelled (no-sidecar)" in done.stdout


@pytest.mark.parametrize("name", [PROGRAM, PLUGIN_FILE])
def test_the_command_is_installed_by_its_own_name_and_as_a_plugin_of_kubectl(name: str) -> None:
    (command,) = entry_points(group="console_scripts", name=name)

    assert command.value == "webhook.command.main:main"
