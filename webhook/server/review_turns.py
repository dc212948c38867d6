"""Reviews of several peers alternate, and large ones are done in turns, with pauses for the small ones.

Reviews from all users come from the API server's address, so the large ones of one address alternate by the namespace of their pod.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from webhook.server.body_limit import TOO_MANY, RefusedBodyError
from webhook.server.request_head import peer_of
from webhook.server.turns import LARGE_BYTES, Shares, Turns
from webhook.server.whole_body import WholeBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAUSE_SECONDS: Final = 0.001
"""The least time from one large review to the next."""

PAUSE_FACTOR: Final = 3.0
"""The pause after the review of a large body, as a multiple of its duration: so they take at most a quarter of the time."""

SLOW_BYTES: Final = 1024 * 1024
SLOW_COMMAS: Final = 5000
"""A larger body, or one with more commas, may take up to 50 ms, others up to 20 ms. etcd takes no pod of much more than 1 MiB."""

SLOW_SECONDS: Final = 0.02
SLOW_PAUSE_FACTOR: Final = 120.0
"""The same for one of these that takes so long: so they take a hundredth of the time, and of a hundred small reviews one meets one."""

LEAST_PAUSE_FACTOR: Final = 12.0
"""The same for one that takes a tenth of that or less: most of its commas are in a text. Between the two it is in proportion to the
duration, so the longer a review takes the fewer small ones meet one."""

NAMESPACE: Final = re.compile(rb'"namespace"\s*:\s*"([^"]{1,63})"')
NAMESPACE_BYTES: Final = 4096
"""The namespace of a request comes before its object (k8s.io/api admission/v1 types.go), behind some 600 bytes of which no user is free."""

WAIT_SECONDS: Final = 4.0
"""For a turn: a client such as the API server gives up soon after that (the chart's `timeoutSeconds` is 5)."""


class ReviewTurns:
    """ASGI middleware within `BodyLimit`, which counts the bodies that wait here and may end their wait."""

    def __init__(self, app: ASGIApp, count_peers: Callable[[], int]) -> None:
        """Pass requests on to this application; ``count_peers`` returns the number of addresses that have connections now."""
        self.app = app
        self.small = Shares(count_peers)
        self.large = Turns(PAUSE_SECONDS, lambda seconds: seconds * PAUSE_FACTOR)
        self.slow = Turns(PAUSE_SECONDS, _slow_pause)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whose body has arrived completely, when its turn comes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = (await receive())["body"]
        whole = WholeBody(body, receive)
        turns = self._turns_for(body)
        namespace = namespace_of(body) if turns else ""
        # While the client reads the response, nothing but the response is stored.
        del body
        peer = peer_of(scope)
        if turns is None:
            await self.small.next(peer)
            took: Callable[[float], None] = partial(self.small.took, peer)
        else:
            await _wait(turns, peer, namespace)
            took = turns.took
        await self.app(scope, whole, _TimedSend(took, send).send)

    def _turns_for(self, body: bytes) -> Turns | None:
        """The turns in which this body is reviewed; None for a small one."""
        if len(body) <= LARGE_BYTES:
            return None
        is_slow = len(body) > SLOW_BYTES or body.count(b",") > SLOW_COMMAS
        return self.slow if is_slow else self.large


def _slow_pause(seconds: float) -> float:
    """The pause after a review that might have taken long, and took this long."""
    factor = SLOW_PAUSE_FACTOR * seconds / SLOW_SECONDS
    return seconds * min(max(LEAST_PAUSE_FACTOR, factor), SLOW_PAUSE_FACTOR)


def namespace_of(body: bytes) -> str:
    """The namespace that a review names; empty: none. It divides an address's turns, so whoever forges it takes but from himself."""
    found = NAMESPACE.search(body, 0, NAMESPACE_BYTES)
    return found[1].decode("utf-8", "replace") if found else ""


async def _wait(turns: Turns, peer: str, namespace: str) -> None:
    """Wait for a turn. RefusedBodyError: none came in time."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await turns.next(peer, namespace)
    except TimeoutError as error:
        raise RefusedBodyError(503, TOO_MANY) from error


class _TimedSend:
    """The ``send`` of a review: the beginning of the response ends the review, whose duration decides on what comes next.

    It is the time of the processor, so that a usual review is not a long one where the service has to wait for its processor.
    """

    __slots__ = ("_began", "_send", "_took")

    def __init__(self, took: Callable[[float], None], send: Send) -> None:
        self._took, self._send = took, send
        self._began = time.thread_time()

    async def send(self, message: Message) -> None:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            # A review has no pause from its beginning to here.
            self._took(time.thread_time() - self._began)
        await self._send(message)
