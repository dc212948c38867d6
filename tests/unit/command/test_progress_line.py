"""The line on stderr that shows how far a command has come."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from webhook.command.progress_line import CLEARED, progress_line

if TYPE_CHECKING:
    import pytest


class TerminalText(io.StringIO):
    """What a program writes to a stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, *times: float, term: str = "xterm") -> str:
    """What is written where the work says how far it has come at these times."""
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", term)
    clock = [0.0]
    with progress_line(lambda: clock[-1]) as show:
        for number, time in enumerate(times):
            clock.append(time)
            show(f"part {number}")
    return stderr.getvalue()


def test_what_takes_longer_than_a_second_is_shown_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, TerminalText(), 0.5, 1.5, 3.0) == f"{CLEARED}part 1{CLEARED}part 2{CLEARED}"


def test_it_is_not_drawn_more_often_than_a_person_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, TerminalText(), 1.5, 1.6, 1.65, 1.8) == f"{CLEARED}part 0{CLEARED}part 3{CLEARED}"


def test_a_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, TerminalText(), 0.1, 0.9) == ""


def test_where_stderr_is_no_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 5.0) == ""


def test_a_terminal_that_cannot_clear_a_line_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, TerminalText(), 5.0, term="dumb") == ""


def test_names_of_strangers_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = TerminalText()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    times = iter([0.0, 5.0, 5.0])
    with progress_line(lambda: next(times)) as show:
        show("\x1b[2Jgone")

    assert stderr.getvalue() == f"{CLEARED}\\x1b[2Jgone{CLEARED}"
