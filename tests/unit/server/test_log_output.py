"""`LogOutput` on a real pipe: lines in order, none waited for, and those that are lost are counted."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from webhook.server.log_output import BACKLOG_BYTES, LogOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = b"x" * 999 + b"\n"


class Pipe:
    """A pipe that is read only where a test calls `read`."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        self.dropped = 0
        self.output = LogOutput(self.writes, self._drop)

    def _drop(self) -> None:
        self.dropped += 1

    def read(self, size: int) -> bytes:
        """Exactly this many bytes."""
        received = b""
        while len(received) < size:
            received += os.read(self.reads, size - len(received))
        return received


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reads)
    for writer in writers():
        writer.join()
    os.close(pipe.writes)


def writers() -> list[threading.Thread]:
    """The threads that write a backlog."""
    return [thread for thread in threading.enumerate() if thread.name == "log"]


def test_a_line_is_in_the_pipe_when_it_has_been_written(pipe: Pipe) -> None:
    pipe.output.write(LINE)
    assert (pipe.read(len(LINE)), pipe.dropped, writers()) == (LINE, 0, [])


def test_lines_beyond_the_pipe_wait_in_their_order(pipe: Pipe) -> None:
    lines = [b"%d\n" % number * 100 for number in range(500)]
    for line in lines:
        pipe.output.write(line)
    assert pipe.read(sum(map(len, lines))) == b"".join(lines)
    assert pipe.dropped == 0


@pytest.mark.parametrize("size", [5_000, 100_000])
def test_a_line_larger_than_a_write_or_than_the_pipe_arrives_whole(pipe: Pipe, size: int) -> None:
    lines = [b"a" * size + b"\n", b"b\n"]
    for line in lines:
        pipe.output.write(line)
    assert pipe.read(size + 3) == b"".join(lines)


def test_lines_beyond_the_backlog_are_counted_and_the_others_are_whole(pipe: Pipe) -> None:
    written = 2 * BACKLOG_BYTES // len(LINE)
    for _ in range(written):
        pipe.output.write(LINE)
    assert 0 < pipe.dropped < written
    stored = written - pipe.dropped
    assert pipe.read(stored * len(LINE)) == LINE * stored


def test_after_the_backlog_is_read_lines_are_written_at_once_again(pipe: Pipe) -> None:
    for _ in range(200):
        pipe.output.write(LINE)
    (writer,) = writers()
    pipe.read(200 * len(LINE))
    writer.join()
    pipe.output.write(b"next\n")
    assert (pipe.read(5), writers()) == (b"next\n", [])


def test_a_reader_that_is_gone_costs_its_line_and_nothing_else(pipe: Pipe) -> None:
    os.close(pipe.reads)
    pipe.output.write(LINE)
    assert pipe.dropped == 1
    pipe.reads = os.open(os.devnull, os.O_RDONLY)


def test_a_flush_does_not_wait_for_ever(pipe: Pipe) -> None:
    for _ in range(200):
        pipe.output.write(LINE)
    pipe.output.flush()
    assert pipe.dropped == 0
