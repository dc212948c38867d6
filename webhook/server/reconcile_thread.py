"""A thread that reconciles at an interval, and after failures by a back-off."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from webhook.kube.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_SECONDS: Final = 0.5
"""After the first failure; the pauses grow up to the interval."""


class ReconcileThread:
    """Calls ``reconcile`` again and again. It is a daemon: a call that hangs does not keep the process from ending."""

    def __init__(self, name: str, reconcile: Callable[[], None], failed: Callable[[BaseException], None], interval_seconds: float) -> None:
        """Do not start yet.

        Args:
            name: Of the thread.
            reconcile: What is called.
            failed: Called in the thread with whatever ``reconcile`` raises. What it raises itself is ignored.
            interval_seconds: Between two calls; shortened at random by up to a fifth, so that replicas that started together spread out.

        """
        self._reconcile, self._failed, self._interval_seconds = reconcile, failed, interval_seconds
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, interval_seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Make no further call. A running one is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self.run_once())

    def run_once(self) -> float:
        """Make one call; the seconds to wait before the next."""
        try:
            self._reconcile()
        except BaseException as problem:  # noqa: BLE001  a thread that ended would let the certificate expire; a panic in Rust is no Exception
            with suppress(Exception):
                self._failed(problem)
            return self._backoff.pause()
        self._backoff.reset()
        return self._interval_seconds * random.uniform(0.8, 1.0)  # noqa: S311  spreads replicas, hides nothing
