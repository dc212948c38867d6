"""A server under measurement: one process on one core, started for the run and ended with it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SERVER_CORE: Final = 0
START_DEADLINE_SECONDS: Final = 30.0
END_DEADLINE_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.02
IDLE_SECONDS: Final = 0.05
"""Without any processor time: from then on a server counts as idle. The timers of uvicorn take less than a tick of that time (10 ms)."""

IDLE_DEADLINE_SECONDS: Final = 15.0
REPOSITORY: Final = Path(__file__).parent.parent


class ServerError(Exception):
    """A server did not come up or come to rest; the message says what it did last."""


@dataclass(frozen=True)
class Contestant:
    """How a server is started: its name in the report, its argv, environment, port and directory.

    It serves `POST /mutate` over TLS on 127.0.0.1.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    directory: Path = REPOSITORY


@dataclass(frozen=True)
class RunningServer:
    """A running contestant."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it takes reviews."""
        return f"https://127.0.0.1:{self.port}/mutate"

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far: utime and stime in /proc/PID/stat, proc(5)."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        after_name = after_command(stat)
        ticks = int(after_name[11]) + int(after_name[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def wait_until_idle(self) -> None:
        """Return once the server works no more.

        When clients leave, it still has the requests that they have sent. It would answer them while the next server on its core is
        measured.

        Raises:
            ServerError: It still works after 15 s.

        """
        deadline = time.monotonic() + IDLE_DEADLINE_SECONDS
        while not self._is_idle():
            if time.monotonic() > deadline:
                message = f"{self.name} still works {IDLE_DEADLINE_SECONDS:.0f} s after its last client has left"
                raise ServerError(message)

    def _is_idle(self) -> bool:
        """Whether it took no processor time for a while, and wants none: all its threads sleep, see proc(5)."""
        before = self.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        states = {after_command((thread / "stat").read_text(encoding="ascii"))[0] for thread in threads}
        return states == {"S"} and self.cpu_seconds() == before

    def resident_bytes(self) -> int:
        """Resident set: field 2 of /proc/PID/statm, in pages, see proc(5)."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def after_command(stat: str) -> list[str]:
    """The fields of a stat file after the name of the command, which may have blanks in it; the first is the state."""
    return stat.rpartition(")")[2].split()


@contextmanager
def running(contestant: Contestant, output: Path) -> Iterator[RunningServer]:
    """Run a contestant on its core, its output in a file, and end it on every way out.

    It has a session of its own, so that Ctrl-C reaches this process only, which then ends it.

    Raises:
        ServerError: The process ended, or its port took no connection within 30 s.

    """
    with output.open("wb") as sink:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *contestant.command],
            cwd=contestant.directory,
            env={**os.environ, **contestant.environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_port(contestant, process, output)
        yield RunningServer(contestant.name, contestant.port, process)
    finally:
        end(process)


def wait_for_port(contestant: Contestant, process: subprocess.Popen[bytes], output: Path) -> None:
    """Return once the port takes a connection."""
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while not accepts(contestant.port):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = output.read_text(encoding="utf-8", errors="replace")[-4000:]
            message = f"{contestant.name} does not serve on port {contestant.port}:\n{tail}"
            raise ServerError(message)
        time.sleep(POLL_SECONDS)


def accepts(port: int) -> bool:
    """Return whether something accepts connections on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def end(process: subprocess.Popen[bytes]) -> None:
    """End one process by its own pid: TERM first, KILL after 15 s."""
    process.terminate()
    try:
        process.wait(END_DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
