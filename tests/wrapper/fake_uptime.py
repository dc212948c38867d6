"""A fake of the clock that the wrapper reads: a test makes a minute pass in no time."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from testbed.wait import until
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS
from tests.wrapper.requirements import require_access_times, require_program, require_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrapper.main_container import MainContainer

MOUNTS: Final = '"$0" --bind "$1" /proc/uptime && shift && exec "$@"'
START_SECONDS: Final = 1000
MOST_SECONDS_LATE: Final = 20


class FakeUptime:
    """A /proc/uptime that stands still until a test moves it (proc_uptime(5)); lxcfs mounts one over the kernel's in the same way.

    It cannot show how long anything takes in real time.
    """

    def __init__(self, directory: Path) -> None:
        """Make the file, at 1000 s."""
        require_root()
        require_access_times(directory)
        self._file = directory / "uptime"
        self._file.touch()
        self._seconds = START_SECONDS
        self.advance(0)

    def seen_by(self, container: MainContainer) -> MainContainer:
        """The same container in a mount namespace where /proc/uptime is this file."""
        unshare, bash, mount = (str(require_program(name)) for name in ("unshare", "bash", "mount"))
        return replace(container, before=(unshare, "--mount", bash, "-c", MOUNTS, mount, str(self._file), *container.before))

    def advance(self, seconds: int) -> None:
        """Move the clock. In place, since a mount holds on to the file; always as many bytes, so that a reader never gets a mixture."""
        self._seconds += seconds
        descriptor = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(descriptor, f"{self._seconds}.00 {self._seconds}.00\n".encode(), 0)
        finally:
            os.close(descriptor)

    def pass_until_end(self, process: subprocess.Popen[bytes]) -> None:
        """Let a second pass again and again until a process ends, which is due now.

        On a busy machine a request may take more than 2 s, after which the wrapper may set its deadline anew.
        """
        latest = self._seconds + MOST_SECONDS_LATE
        until(lambda: self._has_ended(process), "the wrapper ends", TIMEOUT_SECONDS)
        assert self._seconds <= latest

    def _has_ended(self, process: subprocess.Popen[bytes]) -> bool:
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return True
        self.advance(1)
        return False

    def wait_until_seen(self) -> None:
        """Wait until the wrapper has acted on the present time: it has read the clock at least twice, and cat reads a file in two calls."""
        for _ in range(4):
            os.utime(self._file, ns=(0, time.time_ns()))
            until(lambda: self._file.stat().st_atime_ns > 0, "the wrapper reads its clock", TIMEOUT_SECONDS)
