"""Recordings of a terminal: ``python -m tests.pictures.recordings`` types each command into a real shell, and records what is shown.

It writes `docs/pictures/*.cast` and the pictures that are drawn of them. Needs dash.
"""

from __future__ import annotations

import codecs
import os
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

from docs import asciicast, generate_recordings
from docs.asciicast import TerminalRecording
from docs.drawing import PICTURES
from tests.support.terminal import on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
COLUMNS: Final = 100
PROMPT: Final = "$ "
KEY_SECONDS: Final = 0.04
"""Between two keys."""


UNFINISHED: Final = re.compile(r"(\r|\x1b[^A-Za-z]*)\Z")
"""The begin of a line break, or of an escape sequence, at the end of a part."""


class RecordedCommand(NamedTuple):
    """A command that is recorded.

    Args:
        title: What the recording shows.
        name: That of its files.
        line: What is typed.
        rows: Of the terminal.

    """

    title: str
    name: str
    line: str
    rows: int


COMMANDS: Final = (
    RecordedCommand("make demo: two pods of Airflow get their patch, and run to their end beside a proxy", "demo", "make demo", 32),
    RecordedCommand(
        "explain: what becomes of a pod, why, and what to paste",
        "explain",
        ".venv/bin/airflow-sidecar-webhook explain --cluster-version 1.34 tests/cases/uploader-after-task.yaml",
        50,
    ),
)


def main() -> None:
    """Record each, and draw it."""
    for command in COMMANDS:
        path = PICTURES / f"{command.name}.cast"
        asciicast.write(recorded(command), path)
        picture = generate_recordings.picture_of(path)
        picture.write_text(generate_recordings.recording_picture(path), "utf-8")
        print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")


def recorded(command: RecordedCommand) -> TerminalRecording:
    """Type it into a shell, and record until the shell asks for the next one."""
    with TemporaryDirectory() as home:
        environ = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": PROMPT}
        with on_terminal(["dash", "-i"], environ, ROOT, rows=command.rows, columns=COLUMNS) as terminal:
            terminal.read_until(PROMPT)
            for key in command.line:
                time.sleep(KEY_SECONDS)
                terminal.write(key)
                terminal.read_until(key)
            terminal.write("\n")
            terminal.read_until("\r\n")
            terminal.read_until(f"\r\n{PROMPT}")
            parts = terminal.parts
    return TerminalRecording(command.title, COLUMNS, command.rows, tuple(outputs(parts)))


def outputs(parts: Sequence[tuple[float, bytes]]) -> Iterator[tuple[float, str]]:
    """The texts, with the seconds since the first one. What a part has begun of a character or a sequence is in the next text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    began, text = parts[0][0], ""
    for at, part in parts:
        text += decoder.decode(part)
        whole = UNFINISHED.sub("", text)
        if whole:
            yield at - began, whole
        text = text[len(whole) :]


if __name__ == "__main__":
    main()
