"""The program around its commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from tests.support.pods import FIXTURES
from webhook import __version__
from webhook.command import main as entry
from webhook.command.output import FailureDocument
from webhook.core import UnsoundPatchError

if TYPE_CHECKING:
    from tests.support.program import InProcessProgram

POD: Final = str(FIXTURES / "airflow-3.3.2-provider-10.25.0" / "kpo_cmds_args.json")
PACKAGES: Final = frozenset(
    {
        "webhook",
        *("yaml", "msgspec", "jsonpatch", "jsonpointer", "pybase64"),
        *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    }
)
"""Of the installed packages, those that every command loads: each further one makes `explain` of one file slower."""

LATE: Final = (
    "webhook.server",
    "webhook.doctor",
    "webhook.kube",
    "asyncio",
    "ssl",
    "multiprocessing",
    "xml",
    "unittest",
    "http.client",
    "tarfile",
)
"""What a command that connects to nothing has no use for."""

ALONE: Final = {
    "explain a file": ("explain", POD),
    "sum up a file": ("explain", "--summary", POD),
    "patch": ("patch", POD),
}
"""Command lines that connect to nothing."""

LOADED: Final = """
import json, sys
before = set(sys.modules)
from webhook.command.main import run
sys.stdout, stdout = sys.stderr, sys.stdout
run(sys.argv[1:])
json.dump([[name, str(getattr(sys.modules[name], "__file__", ""))] for name in set(sys.modules) - before], stdout)
"""
"""A program that prints the modules which a command has loaded, and their files."""


def test_the_version_is_printed(program: InProcessProgram) -> None:
    assert program("--version").strip() == __version__


def test_an_unknown_command_has_code_2_and_the_usage(program: InProcessProgram) -> None:
    run = program.run("frobnicate")

    assert run.code == 2
    assert run.stderr.startswith("usage: airflow-sidecar-webhook ")
    assert "invalid choice: 'frobnicate'" in run.stderr


def test_a_setting_that_cannot_be_used_has_code_2_and_a_line(program: InProcessProgram) -> None:
    run = program.run("explain", "--config", "/none", "-")

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr.startswith("airflow-sidecar-webhook: /none: cannot be read: No such file or directory")
    assert run.stderr.count("\n") == 1


FAILURES: Final = {
    "a setting": ("explain", ("--config", "/none", "-"), "/none: cannot be read: No such file or directory"),
    "a file": ("explain", ("none.yaml",), "none.yaml: cannot be read: No such file or directory"),
    "another command": ("doctor", ("--config", "/none"), "/none: cannot be read: No such file or directory"),
}


@pytest.mark.parametrize(("command", "arguments", "message"), FAILURES.values(), ids=FAILURES)
def test_with_json_a_failure_is_json_too(program: InProcessProgram, command: str, arguments: tuple[str, ...], message: str) -> None:
    run = program.run(command, "-o", "json", *arguments)
    document = json.loads(run.stdout)
    msgspec.convert(document, FailureDocument)

    assert (run.code, run.stderr) == (2, f"airflow-sidecar-webhook: {message}\n")
    assert document == {"version": 1, "error": {"exit_code": 2, "messages": [message]}}


WRONG_ARGUMENTS: Final = {
    "a word that is none of the choices": ("explain", "--as", "nobody", "-o", "json", POD),
    "an option that does not exist": ("explain", "-ojson", "--none", POD),
    "a command that does not exist": ("frobnicate", "--output=json"),
}


@pytest.mark.parametrize("arguments", WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_with_json_wrong_arguments_are_json_too_beside_the_usage(program: InProcessProgram, arguments: tuple[str, ...]) -> None:
    run = program.run(*arguments)
    document = msgspec.convert(json.loads(run.stdout), FailureDocument)

    assert (run.code, document.error.exit_code) == (2, 2)
    assert run.stderr.startswith("usage: airflow-sidecar-webhook ")
    assert run.stderr.endswith(f"\nairflow-sidecar-webhook: {document.error.messages[0]}\n")


def test_an_output_that_does_not_exist_is_named_with_those_that_do(program: InProcessProgram) -> None:
    run = program.run("explain", "-o", "yaml", POD)

    assert (run.code, run.stdout) == (2, "")
    assert "argument -o/--output: invalid choice: 'yaml' (choose from 'text', 'json')\n" in run.stderr


def test_a_bug_in_the_rules_has_code_1_and_a_line(program: InProcessProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsound(*_: object) -> None:
        message = "the patch does not apply"
        raise UnsoundPatchError(message)

    monkeypatch.setattr("webhook.command.explainer.treat", unsound)

    assert program.run("explain", POD) == (1, "", "airflow-sidecar-webhook: the patch does not apply\n")


def test_a_reader_that_closes_early_is_no_error() -> None:
    command = f"{sys.executable} -m webhook explain {POD} | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.stderr) == ("c", "")


NO_PLACE: Final = {
    "explain, a full disk": ("explain", ">/dev/full", "the output cannot be written: No space left on device"),
    "patch, a full disk": ("patch", ">/dev/full", "the output cannot be written: No space left on device"),
    "a closed stdout": ("explain", ">&-", "stdout is closed, so the output cannot be written"),
}


@pytest.mark.parametrize(("command", "redirection", "message"), NO_PLACE.values(), ids=NO_PLACE)
def test_where_the_output_cannot_be_written_a_line_says_so(command: str, redirection: str, message: str) -> None:
    line = f"{sys.executable} -m webhook {command} {POD} {redirection}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (2, f"airflow-sidecar-webhook: {message}\n")


INTERRUPTIBLE: Final = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Becomes Python with these arguments. A shell has what it starts in the background ignore the signal, and with that these tests."""


def test_an_interrupt_ends_a_command_by_the_signal_and_in_silence(tmp_path: Path) -> None:
    """Its file is a pipe, so it reads, beyond all imports, once that can be opened for writing."""
    pipe = tmp_path / "pod.yaml"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", INTERRUPTIBLE, "-m", "webhook", "explain", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run, pipe.open("w"):
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)

    assert (run.returncode, errors) == (-signal.SIGINT, "")


def test_under_the_name_of_a_plugin_of_kubectl_the_help_shows_what_is_typed(tmp_path: Path) -> None:
    """As kubectl runs it: the first file of this name on the PATH."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    plugin = ["/bin/sh", "-c", 'exec kubectl-airflow_sidecar "$@"', "sh"]
    shown = subprocess.run(
        [*plugin, "explain", "--help"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    wrong = subprocess.run(
        [*plugin, "explain", "--none"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert shown.stdout.startswith("usage: kubectl airflow-sidecar explain ")
    assert "\n  kubectl airflow-sidecar explain -n airflow pod/my-task-pod\n" in shown.stdout
    assert " airflow-sidecar-webhook explain " not in shown.stdout
    assert (wrong.returncode, wrong.stderr.partition(" [")[0]) == (2, "usage: kubectl airflow-sidecar")


def test_the_program_is_installed_and_starts() -> None:
    path = Path(sys.executable).with_name("airflow-sidecar-webhook")
    done = subprocess.run([path, "explain", POD], capture_output=True, text=True, check=True, timeout=60)

    assert "labelled (no-sidecar)" in done.stdout


@pytest.mark.parametrize("arguments", ALONE.values(), ids=ALONE)
def test_a_command_that_connects_to_nothing_loads_no_more_than_it_needs(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True, timeout=60)
    loaded: dict[str, str] = dict(json.loads(done.stdout))
    checkout = str(Path(entry.__file__).parents[2])
    packages = {name.partition(".")[0] for name, file in loaded.items() if "site-packages" in file or file.startswith(checkout)}

    assert packages - PACKAGES == set()
    assert [name for name in loaded if any(name == late or name.startswith(f"{late}.") for late in LATE)] == []


def test_every_command_is_listed_in_the_help(program: InProcessProgram) -> None:
    text = program("--help")

    assert [command.name for command in entry.COMMANDS if not re.search(rf"^    {command.name}\s", text, re.MULTILINE)] == []
