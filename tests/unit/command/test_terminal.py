"""What is shown on a terminal, by the program on a real one; and what where there is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.terminal import COLUMNS, SECONDS, on_terminal
from webhook.command.terminal import HOW_TO_END, NotedRow, Palette

if TYPE_CHECKING:
    from pathlib import Path

ESCAPE: Final = "\x1b["
SUMMARY: Final = (sys.executable, "-m", "webhook", "explain", "--summary", "pods.json")
LONG: Final = "task-of-a-very-long-name-" * 10
"""Longer than the terminal is wide."""

HEADINGS: Final = ("POD", "DAG")
EXPLAIN: Final = f"  {HOW_TO_END}"
"""The line behind the table."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a file of two pods that stay Running."""
    pods = [live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO) for _ in range(2)]
    pods[1]["metadata"]["name"] = LONG
    (tmp_path / "pods.json").write_text(json.dumps({"kind": "PodList", "items": pods}), "utf-8")
    return tmp_path


def shown(folder: Path, **environ: str) -> str:
    """What the summary shows on a terminal."""
    with on_terminal(SUMMARY, {"PATH": os.environ["PATH"], "TERM": "xterm", **environ}, folder) as terminal:
        return terminal.read_all()


def piped(folder: Path, **environ: str) -> str:
    """What it writes where there is no terminal."""
    done = subprocess.run(
        SUMMARY, cwd=folder, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return done.stdout


def test_a_table_fits_the_terminal_and_has_colours(folder: Path) -> None:
    text = shown(folder)

    assert ESCAPE in text
    rows = table_of(text)
    assert max(map(len, rows)) <= COLUMNS
    assert LONG in "".join(word for row in rows for word in row.split() if "of-a-very" in word)


def table_of(text: str) -> list[str]:
    """The lines of the table, without colours, spaces at the end, and ages, which grow."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [re.sub(r"\d+ d( \d+ h)?", "", line.rstrip()) for line in plain.splitlines()]
    first = next(number for number, line in enumerate(lines) if "STUCK FOR" in line)
    return lines[first : lines.index(EXPLAIN, first)]


def test_with_no_color_set_the_table_fits_and_has_no_escape_sequence(folder: Path) -> None:
    text = shown(folder, NO_COLOR="1")

    assert ESCAPE not in text
    assert table_of(text) == table_of(shown(folder))


def test_with_no_color_empty_there_are_colours(folder: Path) -> None:
    assert ESCAPE in shown(folder, NO_COLOR="")


def test_a_dumb_terminal_gets_what_a_pipe_gets(folder: Path) -> None:
    text = shown(folder, TERM="dumb")

    assert ESCAPE not in text
    assert table_of(text) == table_of(piped(folder))
    assert len(table_of(text)) == 3


def test_a_pipe_gets_each_row_on_one_line_whatever_the_environment_says(folder: Path) -> None:
    text = piped(folder, TERM="xterm", FORCE_COLOR="1", COLUMNS="40")

    assert ESCAPE not in text
    assert [line.split()[:1] for line in text.splitlines() if LONG in line] == [["stuck"]]


@pytest.mark.parametrize("columns", [None, 20])
def test_a_cell_is_no_markup_and_holds_nothing_that_a_terminal_obeys(columns: int | None) -> None:
    lines = list(Palette(is_coloured=False, columns=columns).table(HEADINGS, [["[red]a", "\x1b[2J"]], indent=2))

    assert lines == ["  POD     DAG", "  [red]a  \\x1b[2J"]


def test_the_note_of_a_row_is_its_last_cell_in_a_pipe_and_stands_below_the_table_on_a_terminal() -> None:
    rows = [NotedRow(("sales",), "data/sales", "Delete the \x1bpod.")]
    piped, shown = (list(Palette(is_coloured=False, columns=columns).noted_table(("POD", "REMEDY"), rows)) for columns in (None, 12))

    assert piped == ["POD    REMEDY", "sales  Delete the \\x1bpod."]
    assert shown == ["POD", "sales", "", "REMEDY", "data/sales: Delete the \\x1bpod."]


def test_a_cell_goes_on_in_the_next_line_where_the_columns_are_too_wide() -> None:
    lines = list(Palette(is_coloured=False, columns=12).table(HEADINGS, [["abcdefghij", "klmnop"]]))

    assert lines == ["POD    DAG", "abcde  klmno", "fghij  p"]
