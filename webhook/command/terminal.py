"""Text on a terminal."""

from __future__ import annotations

import io
import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RESET: Final = "\x1b[0m"

KEY_WIDTH: Final = 12

HOW_TO_END: Final = (
    "explain -n NAMESPACE pod/NAME prints how to end one; "
    "reaper --once -n NAMESPACE ends those of a namespace, and lists them with --dry-run"
)
"""The line behind a list of stuck pods."""


class Style(StrEnum):
    """The escape sequence of a style (ECMA-48, SGR)."""

    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    RED = "\x1b[31m"
    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    CYAN = "\x1b[36m"


class NotedRow(NamedTuple):
    """A row of a table with a text of some sentences.

    Args:
        cells: The short cells.
        subject: What the text is about, in a few words.
        note: The text.

    """

    cells: tuple[str, ...]
    subject: str
    note: str


@dataclass(frozen=True, slots=True)
class Palette:
    """How text is shown.

    Args:
        is_coloured: Whether there are colours.
        columns: The width of the terminal; None: it is shown on none, or on one that can do nothing (``TERM=dumb``).

    """

    is_coloured: bool
    columns: int | None = None

    def paint(self, text: str, style: Style | None) -> str:
        """The text in this style; as it is where there are no colours, or no style."""
        return f"{style}{text}{RESET}" if self.is_coloured and style else text

    def member(self, key: str, text: str) -> str:
        """A line of what is said about a pod: a key and its text."""
        return f"  {self.paint(f'{key:<{KEY_WIDTH}}', Style.DIM)} {printable(text)}"

    def below(self, text: str) -> str:
        """A further line of what is said."""
        return f"  {'':{KEY_WIDTH}} {printable(text)}"

    def pasted(self, line: str) -> str:
        """A line to paste, below what is said about it."""
        return f"  {'':{KEY_WIDTH}}   {self.paint(printable(line), Style.BOLD)}"

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> Iterator[str]:
        """The lines of a table, each behind so many spaces."""
        shown = [[printable(cell) for cell in row] for row in rows]
        if self.columns is None:
            lines = _plain_table(headings, shown)
        else:
            lines = _fitted_table(headings, shown, self.columns - indent, is_coloured=self.is_coloured)
        return (f"{'':{indent}}{line}" for line in lines)

    def noted_table(self, headings: Sequence[str], rows: Sequence[NotedRow], indent: int = 0) -> Iterator[str]:
        """The lines of a table whose last heading is that of the notes: on a terminal they stand below, as no column is wide enough."""
        if self.columns is None:
            yield from self.table(headings, [(*row.cells, row.note) for row in rows], indent)
            return
        yield from self.table(headings[:-1], [row.cells for row in rows], indent)
        yield ""
        yield f"{'':{indent}}{self.paint(headings[-1], Style.BOLD)}"
        yield from (f"{'':{indent}}{self.paint(printable(row.subject), Style.BOLD)}: {printable(row.note)}" for row in rows)


def counted(count: int, noun: str) -> str:
    """So many of a noun whose plural ends in s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    """A line in which each character that is not printable is written as Python's escape.

    Names of a stranger's pod hold whatever he likes: sequences that clear the screen, line breaks before an invented line of a report,
    characters that reverse the text. kubectl escapes them as well (CVE-2021-25743).
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def stdout_palette() -> Palette:
    """For stdout: colours on a terminal, unless the user wants none (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return Palette(is_coloured=False)
    return Palette(not os.environ.get("NO_COLOR"), shutil.get_terminal_size().columns)


def _plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    shown = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _fitted_table(headings: Sequence[str], rows: Iterable[Sequence[str]], columns: int, *, is_coloured: bool) -> Iterator[str]:
    """Columns that fit the terminal together: a cell that is too long goes on in the next line."""
    # Tables on a terminal alone need it, and it takes a third of the time of a short command.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    fitted = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for heading in headings:
        fitted.add_column(heading, overflow="fold")
    for row in rows:
        # As Text: in a string, rich would take [red] for a colour.
        fitted.add_row(*map(Text, row))
    output = io.StringIO()
    Console(file=output, width=columns, force_terminal=is_coloured, color_system="standard" if is_coloured else None).print(fitted)
    return (line.rstrip() for line in output.getvalue().splitlines())
