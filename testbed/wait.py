"""Waits for conditions, with a deadline for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL_SECONDS: Final = 0.05


def until(condition: Callable[[], T | None], what: str, seconds: float) -> T:
    """Evaluate a condition every 50 ms until it is true; its value. TimeoutError with ``what``, a sentence that says what should hold."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            message = f"not within {seconds:g} s: {what}"
            raise TimeoutError(message)
        time.sleep(POLL_SECONDS)
    return value
