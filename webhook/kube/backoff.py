"""The pauses between attempts that fail one after another."""

from __future__ import annotations

import random
from typing import Final

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""For whatever follows the API server, as in client-go's reflector: one that recovers is not flooded, and its recovery is noticed soon."""

MOST_DOUBLINGS: Final = 10
"""Bounds the exponent: an outage may last for days."""


class Backoff:
    """Pauses that double up to a limit, each shortened at random by up to a half, so that replicas do not come back all at once."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        """No attempt has failed yet. The first pause is at most ``first_seconds``, and no pause is longer than ``longest_seconds``."""
        self._first_seconds, self._longest_seconds = first_seconds, longest_seconds
        self._failures = 0

    def reset(self) -> None:
        """An attempt succeeded: the next pause is the first one again."""
        self._failures = 0

    def pause(self) -> float:
        """One more attempt failed: the seconds to wait before the next."""
        seconds = min(self._longest_seconds, self._first_seconds * 2.0 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads replicas, hides nothing
