"""Load on one server: `wrk` on a core of its own, for a set time, over connections that stay open."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.server import SERVER_CORE

if TYPE_CHECKING:
    from benchmarks.server import RunningServer

LOAD_CORE: Final = 1
SCRIPT: Final = Path(__file__).parent / "load.lua"
GRACE_SECONDS: Final = 15.0  # wrk's own time to connect, to stop and to sort its samples


class LoadError(Exception):
    """The load could not be made, or an answer failed under it: the run has no figures."""


@dataclass(frozen=True)
class Measurement:
    """What one server did under one load. Times are in seconds."""

    requests: int
    duration: float
    p50: float
    p99: float
    cpu: float

    @property
    def rate(self) -> float:
        """Reviews answered a second."""
        return self.requests / self.duration

    @property
    def cpu_per_review(self) -> float:
        """Seconds of processor time, user and system, that the server spent on one review."""
        return self.cpu / self.requests


def require_machine() -> None:
    """Raise LoadError with the remedy where the load cannot be made beside a server."""
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            message = f"{program} is missing: apt-get install {package}"
            raise LoadError(message)
    if not os.sched_getaffinity(0) >= {SERVER_CORE, LOAD_CORE}:
        message = "a core for the server and one for the load are needed: 0 and 1"
        raise LoadError(message)


def measure(server: RunningServer, body: Path, connections: int, seconds: int) -> Measurement:
    """Send `body` over `connections` connections for `seconds` and return the figures.

    The loop is closed: a connection sends its next review when it has the answer to the last one,
    so the times are those of a server that is fully used, not of one at a given rate. It returns when
    the server is idle again, so that the next one has the core for itself.

    wrk corrects its percentiles: beside a time that is longer than the mean it counts the requests
    that a client without patience would have sent meanwhile (`stats_correct` in wrk's stats.c). So with one
    connection a single stall of some ten milliseconds makes the p99 of a run.

    Raises:
        LoadError: An answer was not 2xx, or a connection broke: such figures compare nothing.
        ServerError: The server did not come to rest.

    """
    before = server.cpu_seconds()
    output = run_wrk(server.url, body, connections, seconds)
    cpu = server.cpu_seconds() - before
    server.wait_until_idle()
    summary = json.loads(output.splitlines()[-1])
    if summary["failures"] or not summary["requests"]:
        message = f"{server.name}: {summary['failures']} requests failed under load:\n{output}"
        raise LoadError(message)
    micro = 1e-6
    return Measurement(
        requests=summary["requests"],
        duration=summary["duration"] * micro,
        p50=summary["p50"] * micro,
        p99=summary["p99"] * micro,
        cpu=cpu,
    )


def run_wrk(url: str, body: Path, connections: int, seconds: int) -> str:
    """Run wrk once and return its standard output."""
    command = ["taskset", "-c", str(LOAD_CORE), "wrk"]
    command += ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--script", str(SCRIPT), url, "--", str(body)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=seconds + GRACE_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        message = f"wrk failed: {error}\n{error.stderr!r}"
        raise LoadError(message) from error
    return done.stdout.rstrip()
