"""The recordings of a terminal: what records them, what draws them, and that they show what the commands print today."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.dom import minidom

import pytest

from docs import asciicast
from docs.asciicast import TerminalRecording
from docs.drawing import PICTURES
from docs.generate_recordings import CASTS, STYLED, RecordingError, picture_of, recording_picture
from tests.pictures.recordings import COMMANDS, PROMPT, RecordedCommand, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 60 * 1024
PATHS: Final = frozenset(
    {"/bin/sh", "/usr/bin/env", "/dev/termination-log", "/healthz/ready", "/quitquitquit", "/mutate", "/live", "/ready"}
)
"""Those of the pods, of their sidecars and of the webhook: no other one begins at the root."""


def text_of(cast: Path) -> str:
    """What a recording shows, without its styles."""
    return STYLED.sub("", "".join(text for _, text in asciicast.read(cast).outputs)).replace("\r\n", "\n")


def drawing(tmp_path: Path, *outputs: str, rows: int = 4) -> str:
    """The picture of a terminal of 10 columns on which each of these comes a second after the one before."""
    cast = tmp_path / "a.cast"
    asciicast.write(TerminalRecording("title", 10, rows, tuple((float(at), text) for at, text in enumerate(outputs))), cast)
    return recording_picture(cast)


def lines_of(picture: str) -> list[str]:
    """The lines of text of a picture."""
    texts = minidom.parseString(picture).getElementsByTagName("text")  # noqa: S318 - drawn by this test
    return ["".join(node.data for node in leaves(text)) for text in texts]


def leaves(node: minidom.Node) -> Sequence[minidom.Text]:
    """The texts below a node."""
    return [leaf for child in node.childNodes for leaf in ([child] if isinstance(child, minidom.Text) else leaves(child))]


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.stem)
def test_a_recording_is_small_has_text_stands_still_for_who_wants_that_and_shows_no_path_of_a_machine(cast: Path) -> None:
    picture = picture_of(cast).read_text("utf-8")

    assert len(picture.encode()) < MOST_BYTES
    assert "prefers-reduced-motion: reduce) { #cursor, #roll { animation: none; } }" in picture
    assert "".join(lines_of(picture)) == text_of(cast).replace("\n", "")
    assert set(re.findall(r"(?<![\w.:<])/[a-z][\w./-]*", re.sub(r"https://[\d.:]+", " ", text_of(cast)))) <= PATHS


def test_each_recording_shows_its_command_and_that_alone() -> None:
    assert [cast.stem for cast in CASTS] == [command.name for command in COMMANDS]
    for cast, command in zip(CASTS, COMMANDS, strict=True):
        assert text_of(cast).startswith(f"{PROMPT}{command.line}\n")
        assert text_of(cast).count(f"\n{PROMPT}") == 1


def test_the_recording_of_explain_shows_what_it_prints_today() -> None:
    (line,) = [command.line for command in COMMANDS if command.name == "explain"]
    done = subprocess.run(shlex.split(line), cwd=ROOT, capture_output=True, text=True, check=True)

    assert text_of(PICTURES / "explain.cast") == f"{PROMPT}{line}\n{done.stdout}{PROMPT}", "run: make recording"


def test_a_command_is_typed_and_recorded_to_its_end() -> None:
    recording = recorded(RecordedCommand("title", "echo", "printf 'a\\033[31mä\\033[0m\\n'", 20))

    assert "".join(text for _, text in recording.outputs) == f"{PROMPT}printf 'a\\033[31mä\\033[0m\\n'\r\na\x1b[31mä\x1b[0m\r\n{PROMPT}"
    times = [seconds for seconds, _ in recording.outputs]
    assert times == sorted(times)
    assert times[0] == 0


def test_a_long_line_goes_on_in_the_next_row_and_the_end_of_many_rows_is_shown(tmp_path: Path) -> None:
    picture = drawing(tmp_path, "0123456789ab\r\n", "\r\n", "\x1b[1;31mred\x1b[0m & <b>\r\n", "$ ", rows=3)

    assert lines_of(picture) == ["0123456789", "ab", "red & <b>", "$ "]
    assert '<tspan class="red" font-weight="600">red</tspan> &amp; &lt;b&gt;</text>' in picture
    assert "#roll { transform: translateY(-34px)" in picture
    assert "#cursor { transform: translate(14.5px,68px)" in picture


def test_lines_that_come_at_once_are_played_one_after_the_other_and_a_long_pause_is_shortened(tmp_path: Path) -> None:
    at_once = drawing(tmp_path, "", "a\r\nb\r\n\r\nc\r\n")
    cast = tmp_path / "b.cast"
    asciicast.write(TerminalRecording("title", 10, 4, ((0.0, "$ "), (100.0, "a"))), cast)

    assert "animation: write 10.0s" in at_once, "a second, a tenth, and a paragraph and a tenth; then the end stays for eight"
    assert "animation: write 10.0s" in recording_picture(cast)


@pytest.mark.parametrize("output", ["\x1b[2J", "10 %\r20 %", "\b", "\x1b[41mred\x1b[0m", "\x1b[35mmagenta\x1b[0m"])
def test_what_the_picture_cannot_show_is_no_recording(tmp_path: Path, output: str) -> None:
    with pytest.raises(RecordingError):
        drawing(tmp_path, output)
