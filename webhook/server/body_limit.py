"""Reads a request's body before the application runs, with limits on its size, its duration, and the size of all bodies together.

Reviews of several peers alternate, and large bodies are read and reviewed in turns (`webhook.server.turns`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse

from webhook.server.protocol import ABORT, IS_UNREAD
from webhook.server.turns import Shares, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The limits of one process.

    Args:
        max_bytes: The size of one body.
        max_buffered_bytes: The size of all buffered bodies.
        read_seconds: The time for a body to arrive, and again for its response to be sent.

    """

    max_bytes: int
    max_buffered_bytes: int
    read_seconds: float


TOO_MANY: Final = "too many requests at once"

LARGE_BYTES: Final = 64 * 1024
"""A body or a response from this size on is large. A task pod's review has some 20 KB."""

UNREAD_BYTES: Final = 256 * 1024
"""Counted for a connection whose client has not read the response before: what uvloop and OpenSSL hold of it in each direction."""

PART_BYTES: Final = 32 * 1024
"""A large response is sent in parts of this size, each when the client has read enough of those before."""

PAUSE_SECONDS: Final = 0.001
"""Between two parts of large bodies, each of at most 256 KiB."""

PAUSE_FACTOR: Final = 3.0
"""The pause after the review of a large body, as a multiple of its duration: so they take at most a quarter of the time."""

SLOW_BYTES: Final = 1024 * 1024
SLOW_COMMAS: Final = 5000
"""A larger body, or one with more commas, may take more than 5 ms, up to 35 ms. etcd takes no pod of much more than 1 MiB."""

SLOW_PAUSE_FACTOR: Final = 120.0
"""The same for these: so they take a hundredth of the time, and of a hundred small reviews one meets one of them."""

WAIT_SECONDS: Final = 4.0
"""For a turn: a client such as the API server gives up soon after that (the chart's `timeoutSeconds` is 5)."""


class RefusedBodyError(Exception):
    """A body that is refused.

    Args:
        status: The HTTP status of the response.
        problem: What is wrong, and what is allowed; the text of the response.

    """

    def __init__(self, status: int, problem: str) -> None:
        """Store both."""
        super().__init__(problem)
        self.status = status
        self.problem = problem


class BodyLimit:
    """ASGI middleware: passes on a body that has arrived completely, or answers with 408, 413 or 503 itself.

    Where all bodies together are too large, the largest one that waits for its client, or for its turn, is refused. So a few clients that
    send large bodies slowly, or do not read their responses, cannot occupy the buffer: the usual review is a hundredth of theirs.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None], count_peers: Callable[[], int]) -> None:
        """Limit this application.

        Args:
            app: The application.
            limits: The limits.
            refused: Called with the status and the problem of each refusal.
            count_peers: Returns the number of addresses that have connections now.

        """
        self.app = app
        self.limits = limits
        self.refused = refused
        self.parts = Turns(PAUSE_SECONDS)
        self.large_reviews = Turns(PAUSE_SECONDS, PAUSE_FACTOR)
        self.slow_reviews = Turns(PAUSE_SECONDS, SLOW_PAUSE_FACTOR)
        self.small_reviews = Shares(count_peers)
        self.buffered = 0
        self._bodies: set[_Body] = set()

    @property
    def in_flight(self) -> int:
        """The requests that are being received or answered."""
        return len(self._bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self, scope)
        self._bodies.add(body)
        try:
            replay = await body.read(receive)
            if replay is not None:
                await body.exchange(self.app, replay, send)
        except RefusedBodyError as refusal:
            body.let_go()
            self.refused(refusal.status, refusal.problem)
            await body.exchange(_refusal(refusal), receive, send)
        finally:
            body.let_go()
            self._bodies.discard(body)

    def make_room(self) -> None:
        """Refuse the largest bodies until the others fit.

        No review of a usual body can be among them: it is a hundredth of theirs.
        """
        while self.buffered > self.limits.max_buffered_bytes:
            largest = max(self._bodies, key=lambda body: body.held)
            if not largest.held:
                return
            largest.displace()


class _Body:
    """One body while it arrives and while its response is sent."""

    def __init__(self, limit: BodyLimit, scope: Scope) -> None:
        self.limit = limit
        self.held = 0
        self._scope = scope
        self._peer: str = (scope.get("client") or ("",))[0]
        self._deadline: asyncio.Timeout | None = None
        self._is_displaced = False
        self._turns: Turns | None = None
        self._extensions: Mapping[str, Mapping[str, Callable[[], object]]] = scope.get("extensions", {})
        self._is_unread = False

    async def read(self, receive: Receive) -> Receive | None:
        """Wait for the whole body and for its turn; a ``receive`` that returns it, or None where the client disconnected."""
        length = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length[:20]) > self.limit.limits.max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limit.limits.read_seconds) as self._deadline:
                self._count_unread()
                whole = await self._gather(receive)
        except TimeoutError as error:
            if self._is_displaced:
                raise RefusedBodyError(503, TOO_MANY) from error
            raise RefusedBodyError(408, f"the body did not arrive within {self.limit.limits.read_seconds:g} s") from error
        self._deadline = None
        if whole is None:
            return None
        self._turns = self._turns_for(whole)
        await self._wait_for_turn()
        return _replay(whole, receive)

    async def exchange(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let the application answer. If the client does not read in time, the response is cut short and the connection closed."""
        if self._is_displaced and self._is_unread:
            # A refusal would wait behind the response that is not read.
            self._abort()
            return
        if self._turns is not None:
            send = _LargeResponse(self, self._turns, send).send
        try:
            async with asyncio.timeout(self.limit.limits.read_seconds) as self._deadline:
                self._count_unread()
                await app(self._scope, receive, send)
        except TimeoutError:
            self._abort()

    def _abort(self) -> None:
        if ABORT in self._extensions:
            self._extensions[ABORT]["call"]()

    def hold_response(self, size: int) -> None:
        """Count the bytes of the response. Those of the body are needed no more."""
        self.let_go()
        self._count(size)

    def let_go(self) -> None:
        """Count its bytes no more."""
        self.limit.buffered -= self.held
        self.held = 0

    def displace(self) -> None:
        """Give up what its client delays, the rest of the body or the response, or a body that waits for its turn."""
        self.let_go()
        self._is_displaced = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def _gather(self, receive: Receive) -> bytes | None:
        chunks: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            self._hold(len(chunk))
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if self.held > LARGE_BYTES:
                # uvicorn reads no more of this connection until `receive` is called again.
                await self.limit.parts.next(self._peer)

    def _turns_for(self, whole: bytes) -> Turns | None:
        """The turns in which this body is reviewed; None for a small one."""
        if len(whole) <= LARGE_BYTES:
            return None
        is_slow = len(whole) > SLOW_BYTES or whole.count(b",") > SLOW_COMMAS
        return self.limit.slow_reviews if is_slow else self.limit.large_reviews

    async def _wait_for_turn(self) -> None:
        if self._turns is None:
            await self.limit.small_reviews.next(self._peer)
            if self._is_displaced:
                raise RefusedBodyError(503, TOO_MANY)
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS) as self._deadline:
                await self._turns.next(self._peer)
        except TimeoutError as error:
            # It had no turn, so its response must not end the pause after somebody else's.
            self._turns = None
            raise RefusedBodyError(503, TOO_MANY) from error

    def _hold(self, size: int) -> None:
        if self.held + size > self.limit.limits.max_bytes:
            raise self._too_large()
        self._count(size)
        if self._is_displaced:
            raise RefusedBodyError(503, TOO_MANY)

    def _count(self, size: int) -> None:
        self.held += size
        self.limit.buffered += size
        self.limit.make_room()

    def _count_unread(self) -> None:
        """Count the connection's own buffers, once, where its client has not read the response before this one."""
        if not self._is_unread and IS_UNREAD in self._extensions and self._extensions[IS_UNREAD]["call"]():
            self._is_unread = True
            self._count(UNREAD_BYTES)

    def _too_large(self) -> RefusedBodyError:
        return RefusedBodyError(413, f"the body is larger than {self.limit.limits.max_bytes} bytes")


class _LargeResponse:
    """The response to a large body, which may be as large: sent in parts, each when the client has read enough of those before."""

    def __init__(self, body: _Body, turns: Turns, send: Send) -> None:
        self._body, self._turns, self._send = body, turns, send
        self._began = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            # A review has no pause from its beginning to here.
            self._turns.took(time.perf_counter() - self._began)
        content = message.get("body", b"")
        if len(content) <= PART_BYTES:
            await self._send(message)
            return
        self._body.hold_response(len(content))
        for start in range(0, len(content), PART_BYTES):
            end = start + PART_BYTES
            await self._send({"type": message["type"], "body": content[start:end], "more_body": end < len(content)})


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that returns the body first, then the messages of the connection."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _refusal(refusal: RefusedBodyError) -> PlainTextResponse:
    """The response. It closes the connection, since the rest of the body is still arriving. The API server retries after Retry-After."""
    headers = {"connection": "close"}
    if refusal.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["retry-after"] = "1"
    return PlainTextResponse(refusal.problem + "\n", refusal.status, headers)
