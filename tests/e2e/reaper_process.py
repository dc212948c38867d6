"""The reaper's controller as a process, and its log."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.process import Process
from testbed.wait import until
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

SECONDS: Final = 300
"""Longer than a busy machine takes; only a failing test reaches it."""


def environment(kubeconfig: Path) -> dict[str, str]:
    """That of the command with this kubeconfig, and no settings but a health port of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**clean, "KUBECONFIG": str(kubeconfig), f"{PREFIX}HEALTH_PORT": "0"}


class ControllerProcess:
    """The process."""

    def __init__(self, process: Process) -> None:
        """Read the log of this process."""
        self._process = process

    @property
    def lines(self) -> list[JSONObject]:
        """The lines of the log."""
        # The last one may be half written.
        *whole, _ = self._process.log.read_text("utf-8").split("\n")
        return [json.loads(line) for line in whole]

    def logged(self, event: str, **fields: object) -> list[JSONObject]:
        """The lines of this event with these fields."""
        return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]

    def until_logged(self, event: str, **fields: object) -> JSONObject:
        """The first line of this event with these fields. TimeoutError."""
        return until(lambda: self.logged(event, **fields), f"{event} with {fields} is logged", SECONDS)[0]

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        return self._process.end(with_signal)


@contextmanager
def watching_reaper(level: Level, name: str, kubeconfig: Path, *arguments: str) -> Iterator[ControllerProcess]:
    """A controller with this kubeconfig, which ends with the block; ``name`` is that of its log."""
    log = level.place.logs / f"{name}.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "webhook", "reaper", *arguments]
    process = Process(name, command, log, {**environment(kubeconfig)})
    try:
        yield ControllerProcess(process)
    finally:
        process.end()
