"""A thread that reconciles at an interval, and after failures by a back-off."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from webhook.kube.backoff import Backoff
from webhook.kube.repeating_thread import RepeatingThread

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_SECONDS: Final = 0.5
"""After the first failure; the pauses grow up to the interval."""


class ReconcileThread(RepeatingThread):
    """Calls ``reconcile`` again and again."""

    def __init__(self, name: str, reconcile: Callable[[], None], failed: Callable[[BaseException], None], interval_seconds: float) -> None:
        """Do not start yet.

        Args:
            name: Of the thread.
            reconcile: What is called.
            failed: Called in the thread with whatever ``reconcile`` raises. What it raises itself is ignored.
            interval_seconds: Between two calls; shortened at random by up to a fifth, so that replicas that started together spread out.

        """
        super().__init__(name)
        self._reconcile, self._failed, self._interval_seconds = reconcile, failed, interval_seconds
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, interval_seconds)

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
