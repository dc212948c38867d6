"""A recording of a terminal as a file: asciicast v2, which asciinema and others play, too.

The first line describes the terminal; each further one is an output: seconds since the start, "o", text.
https://docs.asciinema.org/manual/asciicast/v2
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = 2
OUTPUT: Final = "o"


@dataclass(frozen=True)
class TerminalRecording:
    """What was shown on a terminal, and when.

    Args:
        title: What it shows.
        columns: Of the terminal.
        rows: Of the terminal.
        outputs: Seconds since the start, and the text that was shown then.

    """

    title: str
    columns: int
    rows: int
    outputs: tuple[tuple[float, str], ...]


def read(path: Path) -> TerminalRecording:
    """The recording in a file."""
    first, *lines = map(json.loads, path.read_text("utf-8").splitlines())
    return TerminalRecording(first["title"], first["width"], first["height"], tuple((seconds, text) for seconds, _, text in lines))


def write(recording: TerminalRecording, path: Path) -> None:
    """Write it to a file."""
    head = {"version": VERSION, "width": recording.columns, "height": recording.rows, "title": recording.title}
    lines = [head, *([round(seconds, 3), OUTPUT, text] for seconds, text in recording.outputs)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
