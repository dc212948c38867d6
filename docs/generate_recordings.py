"""Draws the recordings of a terminal: `pictures/*.cast` as SVG that plays by itself. See `docs.generate`.

`make recording` records them. All lines are in the picture as text, below each other, as on an endless roll of paper: the picture shows the
part that the terminal would, and covers what is not written yet. Where nothing is to move, it shows the end.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from rich.ansi import AnsiDecoder
from rich.console import Console

from docs import asciicast
from docs.drawing import PICTURES, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.segment import Segment
    from rich.style import Style

    from docs.asciicast import TerminalRecording

CASTS: Final = (PICTURES / "demo.cast", PICTURES / "explain.cast")

CHARACTER: Final = 7.25
LINE: Final = 17
"""The width of a character and the height of a line, with a font of 12 px: the widest of usual fonts has 0.602 of that (Menlo, DejaVu)."""

MARGIN: Final = 14

LINE_SECONDS: Final = 0.1
PARAGRAPH_SECONDS: Final = 0.8
"""For a reader: the least time between two lines, and after an empty one. The programs print faster."""

MOST_SECONDS: Final = 2.0
"""The longest pause that is played."""

END_SECONDS: Final = 8.0
"""For which the end stays before it plays again."""

COLOURS: Final = {1: "red", 2: "green", 3: "amber", 6: "blue"}
"""The class of a colour of the terminal (ECMA-48, SGR 30 to 37)."""

STYLED: Final = re.compile("\x1b\\[[0-9;]*m")
OTHER_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What would move the cursor otherwise than to the next line; a return before that is taken away first."""


@dataclass(frozen=True)
class WrittenTo:
    """Where the next character is written, after so many seconds."""

    seconds: float
    row: int
    column: int


@dataclass(frozen=True)
class RollSpan:
    """Characters of one style."""

    style: str
    is_bold: bool
    text: str


class RecordingError(Exception):
    """The recording has what the picture cannot show."""


def recording_picture(cast: Path) -> str:
    """The picture of the recording in a file. RecordingError."""
    recording = asciicast.read(cast)
    rows = list(_rows(recording))
    cursors = list(_cursors(recording))
    seconds = cursors[-1].seconds + END_SECONDS
    width, height = recording.columns * CHARACTER, min(len(rows), recording.rows) * LINE
    scrolled = [(one.seconds, max(0, one.row + 1 - recording.rows)) for one in cursors]
    return drawn(
        "recording.svg.jinja",
        title=recording.title,
        rows=rows,
        cursors=[(_share(one.seconds, seconds), _at(one.column), one.row * LINE) for one in cursors],
        scrolls=[(_share(at, seconds), -row * LINE) for at, row in _changes(scrolled)],
        seconds=round(seconds, 1),
        width=width,
        height=height,
        margin=MARGIN,
        line=LINE,
        character=CHARACTER,
        whole=len(rows) * LINE,
    )


def _share(seconds: float, whole: float) -> str:
    return f"{seconds / whole:.2%}"


def _at(column: int) -> float:
    return round(column * CHARACTER, 1)


def _changes(values: Sequence[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    """Those that differ from the one before."""
    yield values[0]
    yield from (after for before, after in pairwise(values) if after[1] != before[1])


def _text(output: str) -> str:
    """An output with the line breaks of a file. RecordingError: it moves the cursor otherwise."""
    text = output.replace("\r\n", "\n")
    if found := OTHER_CONTROL.search(STYLED.sub("", text)):
        message = f"{found[0]!r} in {output!r}: only lines and styles can be drawn"
        raise RecordingError(message)
    return text


def _rows(recording: TerminalRecording) -> Iterator[list[RollSpan]]:
    """The rows of the terminal: a longer line goes on in the next one."""
    console = Console(file=io.StringIO(), width=recording.columns)
    text = "".join(_text(output) for _, output in recording.outputs)
    for line in AnsiDecoder().decode(text):
        for row in line.divide(range(recording.columns, len(line), recording.columns)):
            yield [_span(segment) for segment in row.render(console) if segment.text]


def _span(segment: Segment) -> RollSpan:
    style = segment.style
    return RollSpan(_class(style) if style else "", bool(style and style.bold), segment.text)


def _class(style: Style) -> str:
    """The class of a style. RecordingError: there is none."""
    number = style.color.number if style.color else None
    if style.bgcolor or (style.color and number not in COLOURS):
        message = f"no colour for {style}"
        raise RecordingError(message)
    return COLOURS[number] if number is not None else "soft" if style.dim else ""


def _cursors(recording: TerminalRecording) -> Iterator[WrittenTo]:
    """Where the cursor is when, at the pace of a reader: each line of an output is written after the one before."""
    played, before, row, column = 0.0, 0.0, 0, 0
    yield WrittenTo(played, row, column)
    for seconds, output in recording.outputs:
        pause, before = min(seconds - before, MOST_SECONDS), seconds
        for part in STYLED.sub("", _text(output)).splitlines(keepends=True):
            written = column + len(part.rstrip("\n"))
            rows = max(0, written - 1) // recording.columns
            least = 0.0
            if part.endswith("\n"):
                least = LINE_SECONDS * (rows + 1) if written else PARAGRAPH_SECONDS
                row, column = row + rows + 1, 0
            else:
                row, column = row + rows, written - rows * recording.columns
            played += max(pause, least)
            pause = 0.0
            yield WrittenTo(played, row, column)


def picture_of(cast: Path) -> Path:
    """Where the picture of a recording is."""
    return cast.with_suffix(".svg")


def main() -> None:
    """Write the pictures."""
    for cast in CASTS:
        picture_of(cast).write_text(recording_picture(cast), "utf-8")
