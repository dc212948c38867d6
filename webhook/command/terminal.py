"""Text on a terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RESET: Final = "\x1b[0m"

KEY_WIDTH: Final = 12


class Style(StrEnum):
    """The escape sequence of a style (ECMA-48, SGR)."""

    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    RED = "\x1b[31m"
    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    CYAN = "\x1b[36m"


@dataclass(frozen=True, slots=True)
class Palette:
    """What text is coloured with; ``is_coloured``: whether it is at all."""

    is_coloured: bool

    def paint(self, text: str, style: Style | None) -> str:
        """The text in this style; as it is where there are no colours, or no style."""
        return f"{style}{text}{RESET}" if self.is_coloured and style else text

    def member(self, key: str, text: str) -> str:
        """A line of what is said about a pod: a key, and what holds."""
        return f"  {self.paint(f'{key:<{KEY_WIDTH}}', Style.DIM)} {printable(text)}"

    def below(self, text: str) -> str:
        """A further line of what is said."""
        return f"  {'':{KEY_WIDTH}} {printable(text)}"

    def pasted(self, line: str) -> str:
        """A line to paste, below what is said about it."""
        return f"  {'':{KEY_WIDTH}}   {self.paint(printable(line), Style.BOLD)}"


def printable(text: str) -> str:
    """A line in which each character that is not printable is written as Python's escape.

    Names of a stranger's pod hold whatever he likes: sequences that clear the screen, line breaks before an invented line of a report,
    characters that reverse the text. kubectl escapes them as well (CVE-2021-25743).
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table whose columns are as wide as their widest cell."""
    shown = [headings, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def stdout_palette() -> Palette:
    """Colours where stdout is a terminal, unless the user wants none (https://no-color.org)."""
    return Palette(sys.stdout.isatty() and "NO_COLOR" not in os.environ)
