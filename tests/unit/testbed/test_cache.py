"""The harness keeps what took minutes to make, and two runs at once make it once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from testbed import cache, slot

if TYPE_CHECKING:
    from pathlib import Path

MAKER = """
import sys, pathlib
from testbed.cache import made

def make(unfinished):
    with open(sys.argv[2], "a") as record:
        record.write("made ")
    unfinished.write_text("whole")

print(made(pathlib.Path(sys.argv[1]), make).read_text())
"""


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_what_two_runs_want_at_once_is_made_once(tmp_path: Path) -> None:
    wanted, record = tmp_path / "wanted", tmp_path / "record"
    command = [sys.executable, "-c", MAKER, str(wanted), str(record)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [run.communicate(timeout=60)[0] for run in runs] == ["whole\n"] * 4
    assert record.read_text() == "made "


def test_what_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    (tmp_path / ".wanted.unfinished").mkdir()
    (tmp_path / ".wanted.unfinished" / "half").touch()

    def make(unfinished: Path) -> None:
        unfinished.write_text("whole")

    assert cache.made(wanted, make).read_text() == "whole"


def test_what_could_not_be_made_is_not_there_afterwards(tmp_path: Path) -> None:
    def fail(unfinished: Path) -> None:
        unfinished.write_text("half")
        message = "no room"
        raise OSError(message)

    with pytest.raises(OSError, match="no room"):
        cache.made(tmp_path / "wanted", fail)
    assert not (tmp_path / "wanted").exists()


def test_each_run_has_a_place_of_its_own_until_it_gives_it_back() -> None:
    first, second = slot.take(), slot.take()
    assert (first.number, second.number) == (0, 1)
    assert slot.held(0)
    first.release()
    assert not slot.held(0)
    assert not first.folder.exists()
    third = slot.take()
    assert third.number == 0
    second.release()
    third.release()


def test_the_place_of_a_run_that_was_killed_is_cleared_by_the_next() -> None:
    left = "import os, signal; from testbed import slot; (slot.take().folder / 'left').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", left], check=False, timeout=60)
    assert (cache.folder() / "runs" / "0" / "left").exists()
    taken = slot.take()
    assert not list(taken.folder.iterdir())
    taken.release()


def test_a_run_without_a_place_says_what_to_do() -> None:
    taken = [slot.take() for _ in range(slot.SLOTS)]
    with pytest.raises(RuntimeError, match="make cluster-stop"):
        slot.take()
    for one in taken:
        one.release()
