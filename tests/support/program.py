"""Runs the program in this process, which takes a hundredth of the time of a process of its own."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from webhook.command.exit_code import ExitCode
from webhook.command.explain_document import ExplainDocument
from webhook.command.main import run
from webhook.settings import PREFIX

if TYPE_CHECKING:
    import pytest

    from tests.support.json_object import JSONObject


class ProgramRun(NamedTuple):
    """How a run ended: its exit code, and what it wrote."""

    code: int
    stdout: str
    stderr: str


class InProcessProgram:
    """The program in this process, with stdin and settings of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Take pytest's hold on the environment and on stdout and stderr."""
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *arguments: str, stdin: str | bytes = "", **settings: str) -> ProgramRun:
        """Run it to its end."""
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            for name, value in settings.items():
                patch.setenv(f"{PREFIX}{name}", value)
            code = _exit_code(arguments)
        return ProgramRun(code, *self._capsys.readouterr())

    def __call__(self, *arguments: str, stdin: str | bytes = "", **settings: str) -> str:
        """Run it; its stdout. It must succeed."""
        code, stdout, stderr = self.run(*arguments, stdin=stdin, **settings)
        assert (code, stderr) == (0, ""), f"exit code {code}: {stderr}"
        return stdout

    def explained(self, *arguments: str, stdin: str | bytes = "", **settings: str) -> list[JSONObject]:
        """Run ``explain``; the pods of its JSON, whose form is the documented one."""
        code, stdout, stderr = self.run("explain", "-o", "json", *arguments, stdin=stdin, **settings)
        assert (code in {ExitCode.DONE, ExitCode.PROBLEM}, stderr) == (True, "")
        document = json.loads(stdout)
        msgspec.convert(document, ExplainDocument)
        pods: list[JSONObject] = document["pods"]
        return pods


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        return run(arguments)
    except SystemExit as end:
        # argparse ends the process itself, after --help, --version, and a bad command line.
        return int(end.code or 0)
