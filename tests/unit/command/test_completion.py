"""Completion, in real shells on a terminal: keys are pressed, and a function in the program's place says what it was called with."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.terminal import SECONDS, on_terminal
from tests.wrapper.requirements import require_program
from webhook.command.completion import SHELLS
from webhook.command.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import InProcessProgram
    from tests.support.terminal import Terminal

PROMPT: Final = "ready: "
WRITTEN_PROMPT: Final = "'rea''dy: '"
"""In the line that sets it, which the terminal shows as well."""

TAB: Final = "\t"
COMPLETED: Final = {
    f"expl{TAB}": "explain",
    f"explain --summ{TAB}": "explain --summary",
    f"explain --as pod{TAB}": "explain --as pod-operator",
    f"explain my-po{TAB}": "explain my-pod.yaml",
    f"explain --config my-po{TAB}": "explain --config my-pod.yaml",
    f"completion fi{TAB}": "completion fish",
    f"doctor --names{TAB}": "doctor --namespace",
}
"""What a person types, and what the program is called with."""


@dataclass(frozen=True)
class InteractiveShell:
    """A shell on a terminal.

    Args:
        command: Starts it without anybody's configuration.
        set_up: Its lines that load the script, replace the program by a function, and set the prompt last.

    """

    command: tuple[str, ...]
    set_up: tuple[str, ...]


INTERACTIVE: Final = {
    "bash": InteractiveShell(
        ("bash", "--norc", "--noprofile", "-i"),
        (
            'airflow-sidecar-webhook() { echo "<$*>"; }',
            ". ./script",
            "bind 'set enable-bracketed-paste off'",
            f"PS1={WRITTEN_PROMPT}",
        ),
    ),
    "zsh": InteractiveShell(
        ("zsh", "-f", "-i"),
        (
            'airflow-sidecar-webhook() { print -r -- "<$*>"; }',
            "mkdir functions && cp script functions/_airflow-sidecar-webhook && fpath=($PWD/functions $fpath)",
            "autoload -Uz compinit && compinit -u -d $PWD/dump",
            f"PS1={WRITTEN_PROMPT}",
        ),
    ),
    "fish": InteractiveShell(
        ("fish", "--no-config", "--interactive"),
        (
            'function airflow-sidecar-webhook; echo "<$argv>"; end',
            "source ./script",
            f"function fish_prompt; echo -n {WRITTEN_PROMPT}; end",
        ),
    ),
}


@contextmanager
def started(shell: str, folder: Path) -> Iterator[Terminal]:
    """The shell in this folder, with the script that the program prints for it."""
    program = [sys.executable, "-m", "webhook", "completion", shell]
    (folder / "script").write_bytes(subprocess.run(program, capture_output=True, check=True, timeout=SECONDS).stdout)
    (folder / "my-pod.yaml").touch()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb" if shell == "bash" else "xterm", "LC_ALL": "C.UTF-8"}
    one = INTERACTIVE[shell]
    with on_terminal(one.command, environ, folder) as terminal:
        for line in one.set_up:
            terminal.write(f"{line}\r")
        terminal.read_until(PROMPT)
        yield terminal


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_options_choices_and_files(shell: str, tmp_path: Path) -> None:
    require_program(shell)
    with started(shell, tmp_path) as terminal:
        for typed, called in COMPLETED.items():
            terminal.write(f"airflow-sidecar-webhook {typed}\r")
            terminal.read_until(f"<{called}>")
            # What is typed before the shell edits a line again might be lost.
            terminal.read_until(PROMPT)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_has_every_command_and_is_for_the_program_whatever_name_it_was_called_by(
    program: InProcessProgram, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    script = program("completion", shell)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-airflow_sidecar"])

    assert [one.name for one in COMMANDS if one.name not in script] == []
    assert program("completion", shell) == script


def test_a_shell_without_a_script_is_refused_with_those_that_have_one(program: InProcessProgram) -> None:
    run = program.run("completion", "csh")

    assert (run.code, run.stdout) == (2, "")
    assert "invalid choice: 'csh' (choose from 'bash', 'zsh', 'fish')" in run.stderr
