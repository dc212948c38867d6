"""A program on a real pseudo-terminal, and what it shows there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SECONDS: Final = 200.0
"""The limit of each wait; a machine on which thirty programs wait for each processor has needed more than a minute."""

COLUMNS: Final = 200
ROWS: Final = 50


class Terminal:
    """The side of a pseudo-terminal at which a person sits."""

    def __init__(self, descriptor: int) -> None:
        """Take its descriptor."""
        self._descriptor = descriptor
        self._seen = 0
        self.shown = b""
        self.parts: list[tuple[float, bytes]] = []
        """What was shown, with the time of each part on the monotonic clock."""

    def write(self, text: str) -> None:
        """Press these keys."""
        os.write(self._descriptor, text.encode())

    def read_until(self, text: str) -> None:
        """Read until this is shown, behind what the last call has waited for. TimeoutError."""
        end = time.monotonic() + SECONDS
        while (at := self.shown.find(text.encode(), self._seen)) < 0:
            if time.monotonic() > end or not self._read_some():
                message = f"{text!r} is not shown: {self.shown[self._seen :]!r}"
                raise TimeoutError(message)
        self._seen = at + len(text.encode())

    def read_all(self) -> str:
        """Read to the end of the program. TimeoutError."""
        end = time.monotonic() + SECONDS
        while self._read_some():
            if time.monotonic() > end:
                message = f"the program has not ended: {self.shown!r}"
                raise TimeoutError(message)
        return self.shown.decode().replace("\r\n", "\n")

    def _read_some(self) -> bool:
        """Whether there may be more; Linux reports an error where the program has closed its side."""
        if not select.select([self._descriptor], [], [], 1)[0]:
            return True
        try:
            read = os.read(self._descriptor, 65536)
        except OSError:
            return False
        self.shown += read
        self.parts.append((time.monotonic(), read))
        return bool(read)


@contextmanager
def on_terminal(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, *, rows: int = ROWS, columns: int = COLUMNS
) -> Iterator[Terminal]:
    """Run a program whose terminal this is; it is killed at the end of the block."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        # Shells with jobs need a terminal that controls their session.
        with subprocess.Popen(["setsid", "--ctty", *command], cwd=folder, env=dict(environ), stdin=its, stdout=its, stderr=its) as process:
            os.close(its)
            try:
                yield Terminal(ours)
            finally:
                process.kill()
    finally:
        os.close(ours)
