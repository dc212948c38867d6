"""The honest client: it sends reviews at a steady pace over a connection that it keeps, as the API server does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

from tests.service.reviews import injected_review
from tests.service.running_service import read_reply, request_bytes

if TYPE_CHECKING:
    import socket

    from tests.attacks.target import Target

SOURCE: Final = "127.0.0.1"
PAUSE_SECONDS: Final = 0.01
"""Between two reviews: a hundred pods a second, more than a large Airflow starts."""

TIMEOUT_SECONDS: Final = 10.0
"""The API server's default timeout for one call."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What the honest client saw.

    Args:
        seconds: The duration of each review that was answered.
        refused: Reviews without an answer of status 200.

    """

    seconds: tuple[float, ...]
    refused: int

    @property
    def p99(self) -> float:
        """The 99th percentile, in seconds; infinite where nothing was answered."""
        ordered = sorted(self.seconds)
        return ordered[int(len(ordered) * 0.99)] if ordered else float("inf")


def send_reviews(target: Target, for_seconds: float) -> Experience:
    """Send reviews for this time. A connection that was closed is opened again, which is part of that review's duration."""
    context = target.context()
    seconds: list[float] = []
    refused = 0
    stream: socket.socket | None = None
    until = time.monotonic() + for_seconds
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            stream = stream or target.tls(SOURCE, seconds=TIMEOUT_SECONDS, context=context)
            stream.sendall(request_bytes(injected_review()))
            answered = read_reply(stream).status == 200
        except (OSError, HTTPException):
            answered = False
        if answered:
            seconds.append(time.monotonic() - began)
        else:
            refused += 1
            stream = None
        time.sleep(PAUSE_SECONDS)
    return Experience(tuple(seconds), refused)
