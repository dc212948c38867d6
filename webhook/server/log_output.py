"""Writes log lines to a pipe without ever waiting for its reader.

A container's stdout is a pipe. Its reader, the container runtime, may pause or restart, and a write to a full pipe blocks the process. So a
line is written at once only where the kernel says that a write would not block. Otherwise it waits in a bounded backlog, which a thread
writes. A line for which the backlog has no room is dropped and counted.

The descriptor stays in blocking mode: the mode belongs to the open file, which may be a terminal that others write to as well.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_BYTES: Final = 1024 * 1024
"""The lines of some 3,000 reviews; more would be memory that reviews need."""

FLUSH_SECONDS: Final = 1.0
"""For the backlog at the end of the process: the lines of its end matter, but a reader that is gone must not delay it."""


class LogOutput:
    """A descriptor for log lines. Any thread may write to it, and only `flush` waits for the reader."""

    def __init__(self, descriptor: int, dropped: Callable[[], None]) -> None:
        """Write to this descriptor; ``dropped`` is called once for each line that is lost."""
        self._descriptor = descriptor
        self._dropped = dropped
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._writer: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Write a line, which ends with its newline, or keep it for later, or drop it."""
        with self._lock:
            rest = line if self._writer is not None else self._write_now(line)
            if not rest:
                return
            # The rest of a line that is partly written waits, whatever its size: without it the next line would be unreadable as well.
            if len(rest) == len(line) and self._backlog_bytes + len(line) > BACKLOG_BYTES:
                self._dropped()
                return
            self._keep(rest)

    def flush(self) -> None:
        """Wait for the backlog to be written, for at most a second."""
        writer = self._writer
        if writer is not None:
            writer.join(FLUSH_SECONDS)

    def _write_now(self, line: bytes) -> bytes:
        """Write what the kernel takes at once; return the rest. A log that cannot be written must not keep a pod from starting."""
        rest = memoryview(line)
        with suppress(OSError):
            # A pipe that is writable takes this many bytes without blocking (pipe(7)).
            while rest and self._writable.poll(0):
                rest = rest[os.write(self._descriptor, rest[: select.PIPE_BUF]) :]
            return bytes(rest)
        self._dropped()
        return b""

    def _keep(self, rest: bytes) -> None:
        self._backlog.append(rest)
        self._backlog_bytes += len(rest)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_backlog, name="log", daemon=True)
            self._writer.start()

    def _write_backlog(self) -> None:
        """Write the backlog, in order, and wait for the reader; end when it is empty."""
        while (line := self._next()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self._dropped()

    def _next(self) -> bytes | None:
        with self._lock:
            if not self._backlog:
                self._writer = None
                return None
            line = self._backlog.popleft()
            self._backlog_bytes -= len(line)
            return line
