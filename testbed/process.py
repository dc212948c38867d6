"""A component: a process that ends with the one that started it, its output in a log file."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

END_SECONDS: Final = 30
"""Longer than the 10 s that the webhook itself gives its last requests."""
LOG_LINES: Final = 15
"""Lines of the log in the error of a component that does not start."""


class Process:
    """A running component."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start it. The kernel kills it when this process ends, however that ends (prctl(2), PR_SET_PDEATHSIG)."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the run alone, which then ends its components in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def ready(self, condition: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Wait until a condition holds; ``what`` says it of the process. RuntimeError with the log's end: it ended, or timed out."""
        try:
            until(lambda: self._ended() or condition(), f"{self.name} {what}", seconds)
        except TimeoutError as error:
            raise RuntimeError(self._report(str(error))) from error
        if self._ended():
            raise RuntimeError(self._report(f"{self.name} ended with {self._popen.returncode}"))

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and kill it after 30 s; its exit code, negative for a signal."""
        self._signal(with_signal)
        try:
            return self._popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            return self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        # It may end by itself at this moment.
        with suppress(ProcessLookupError):
            if not self._ended():
                os.kill(self.pid, number)

    def _ended(self) -> bool:
        return self._popen.poll() is not None

    def _report(self, headline: str) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        return "\n".join([headline, f"the end of {self.log}:", *lines])
