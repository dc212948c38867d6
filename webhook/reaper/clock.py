"""The controller's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class MonotonicClock:
    """The time, from a start on the clock of the machine: it never jumps, whatever becomes of that clock."""

    def __init__(self) -> None:
        """Start now."""
        self._began, self._began_at = datetime.now(UTC), time.monotonic()

    def __call__(self) -> datetime:
        """The time."""
        return self._began + timedelta(seconds=time.monotonic() - self._began_at)
