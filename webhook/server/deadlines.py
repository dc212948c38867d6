"""Deadlines that all have the same duration, with one timer for all of them.

A timer of its own costs each request several microseconds, and almost none is ever needed. Since the duration is the same, the deadline
that was started first is always the first to expire.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

AT_ONCE: Final = 8
"""Deadlines that expire in one turn of the event loop: what was started by a thousand connections together expires together."""

PAUSE_SECONDS: Final = 0.001
"""Until the next ones."""


class Expiring(Protocol):
    """Whatever has a deadline."""

    def expire(self) -> None:
        """The deadline has expired; called once. It must not raise."""


class Deadlines:
    """The deadlines that have been started and not stopped."""

    def __init__(self, seconds: float) -> None:
        """Start none; ``seconds`` is the duration of each."""
        self.seconds = seconds
        self._ends: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ends)

    def __contains__(self, owner: Expiring) -> bool:
        """Whether this owner has one."""
        return owner in self._ends

    def start(self, owner: Expiring) -> None:
        """Start the deadline of this owner, or start it anew."""
        self._ends.pop(owner, None)
        # Not the loop's time: to get the running loop is a system call (Python 3.11), and each review starts four deadlines.
        self._ends[owner] = time.monotonic() + self.seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._sweep)

    def stop(self, owner: Expiring) -> None:
        """Stop the deadline of this owner, if it has one."""
        self._ends.pop(owner, None)

    def _sweep(self) -> None:
        """Expire what is due, and wait for the next; the timer is not cancelled where its deadline was stopped."""
        loop = asyncio.get_running_loop()
        # At once, since an owner may start a deadline when it expires.
        self._timer = loop.call_later(PAUSE_SECONDS, self._sweep)
        for _ in range(AT_ONCE):
            end, now = next(iter(self._ends.values()), None), time.monotonic()
            if end is None or end > now:
                self._timer.cancel()
                self._timer = None if end is None else loop.call_later(end - now, self._sweep)
                return
            owner = next(iter(self._ends))
            del self._ends[owner]
            owner.expire()
