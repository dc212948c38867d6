"""A thread that does the same again and again."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class RepeatingThread(ABC):
    """Calls `run_once` until it is stopped. It is a daemon: a call that hangs does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        """Do not start yet; ``name`` is the thread's."""
        self._name = name
        self._stopped = threading.Event()

    @abstractmethod
    def run_once(self) -> float:
        """The seconds to wait before the next time. It raises nothing: an exception would end the thread."""

    def start(self) -> None:
        """Start."""
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Do it no more. A call that is under way is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self.run_once())
