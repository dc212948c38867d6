"""Reads a request's body before the application runs, with limits on its size, its duration, and the size of all bodies together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse

from webhook.server.deadlines import Deadlines
from webhook.server.protocol import ABORT
from webhook.server.request_head import content_length
from webhook.server.whole_body import WholeBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The limits of one process.

    Args:
        max_bytes: The size of one body.
        max_buffered_bytes: The size of all buffered bodies and large responses.
        read_seconds: The time for a body to arrive, and again for its response to be sent.
        review_seconds: The time between the two, with the wait for its turn.

    """

    max_bytes: int
    max_buffered_bytes: int
    read_seconds: float
    review_seconds: float


TOO_MANY: Final = "too many requests at once"

PART_BYTES: Final = 32 * 1024
"""A larger response is sent in parts of this size, each when the client has read enough of those before."""


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

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None]) -> None:
        """Limit this application; ``refused`` is called with the status and the problem of each refusal."""
        self.app = app
        self.limits = limits
        self.refused = refused
        self.reads = Deadlines(limits.read_seconds)
        self.reviews = Deadlines(limits.review_seconds)
        self.buffered = 0
        self._requests: set[_LimitedRequest] = set()

    @property
    def in_flight(self) -> int:
        """The requests that are being received or answered."""
        return len(self._requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _LimitedRequest(self, scope, send)
        self._requests.add(request)
        try:
            await request.serve(receive)
        except RefusedBodyError as refusal:
            self.refused(refusal.status, refusal.problem)
            await request.refuse(refusal, receive)
        finally:
            request.end()
            self._requests.discard(request)

    def make_room(self) -> None:
        """Refuse the largest bodies until the others fit.

        No review of a usual body can be among them: it is a hundredth of theirs.
        """
        while self.buffered > self.limits.max_buffered_bytes:
            largest = max(self._requests, key=lambda request: request.held)
            if not largest.held:
                return
            largest.displace()


class _LimitedRequest:
    """One request, from its first byte to the end of its response."""

    def __init__(self, limit: BodyLimit, scope: Scope, send: Send) -> None:
        self.held = 0
        self._limit, self._scope, self._send = limit, scope, send
        self._task = asyncio.current_task()
        self._has_arrived = False
        self._has_response = False
        self._is_interrupted = False
        self._refusal: RefusedBodyError | None = None

    async def serve(self, receive: Receive) -> None:
        """Read the body, and let the application answer."""
        self._limit.reads.start(self)
        try:
            whole = await self._read(receive)
            self._limit.reads.stop(self)
            if whole is not None:
                self._has_arrived = True
                self._limit.reviews.start(self)
                await self._limit.app(self._scope, whole, self.send)
        except asyncio.CancelledError:
            if not self._is_own_interruption():
                raise
            self._end_interrupted()

    async def refuse(self, refusal: RefusedBodyError, receive: Receive) -> None:
        """Answer with the refusal. A response that has begun is cut short instead, and its connection closed."""
        self.let_go()
        self._is_interrupted = False
        if self._has_response:
            self._abort()
            return
        self._has_arrived = True
        try:
            await _response(refusal)(self._scope, receive, self.send)
        except asyncio.CancelledError:
            if not self._is_own_interruption():
                raise
            self._abort()

    def end(self) -> None:
        """Count it no more."""
        self.let_go()
        self._is_interrupted = False
        self._refusal = None
        self._limit.reads.stop(self)
        self._limit.reviews.stop(self)

    async def send(self, message: Message) -> None:
        """Send a message of the application: a large body in parts, each when the client has read enough of those before."""
        if not self._has_response:
            self._has_response = True
            self._limit.reviews.stop(self)
            self._limit.reads.start(self)
        content = message.get("body", b"")
        if len(content) <= PART_BYTES:
            await self._send(message)
            return
        # The bytes of the request's body are needed no more.
        self.let_go()
        self._count(len(content))
        for start in range(0, len(content), PART_BYTES):
            end = start + PART_BYTES
            await self._send({"type": message["type"], "body": content[start:end], "more_body": end < len(content)})

    def let_go(self) -> None:
        """Count its bytes no more."""
        self._limit.buffered -= self.held
        self.held = 0

    def displace(self) -> None:
        """Give up what its client delays, the rest of the body or the response, or a body that waits for its turn."""
        self.let_go()
        self._interrupt(RefusedBodyError(503, TOO_MANY))

    def expire(self) -> None:
        """Give up a body that did not arrive in time, or a response that its client did not read in time."""
        seconds = self._limit.limits.read_seconds
        self._interrupt(None if self._has_arrived else RefusedBodyError(408, f"the body did not arrive within {seconds:g} s"))

    async def _read(self, receive: Receive) -> WholeBody | None:
        """Wait for the whole body; None where the client disconnected."""
        if (content_length(self._scope) or 0) > self._limit.limits.max_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            self._hold(len(chunk))
            chunks.append(chunk)
            if not message.get("more_body", False):
                return WholeBody(chunks[0] if len(chunks) == 1 else b"".join(chunks), receive)

    def _hold(self, size: int) -> None:
        if self.held + size > self._limit.limits.max_bytes:
            raise self._too_large()
        self._count(size)
        if self._refusal is not None:
            raise self._refusal

    def _count(self, size: int) -> None:
        self.held += size
        self._limit.buffered += size
        if self._limit.buffered > self._limit.limits.max_buffered_bytes:
            self._limit.make_room()

    def _interrupt(self, refusal: RefusedBodyError | None) -> None:
        """End whatever it waits for, and refuse it. Not at once, since it may be this request itself that is running."""
        self._is_interrupted, self._refusal = True, refusal
        asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._is_interrupted and self._task is not None:
            self._task.cancel()

    def _is_own_interruption(self) -> bool:
        """Whether its task was cancelled here, and by nobody else."""
        return self._is_interrupted and self._task is not None and not self._task.uncancel()

    def _end_interrupted(self) -> None:
        """Refuse the request, or close its connection where it is too late for a refusal."""
        if self._refusal is None or self._has_response:
            self._abort()
            return
        raise self._refusal

    def _abort(self) -> None:
        """Close the connection at once, where the server can."""
        extensions = self._scope.get("extensions", {})
        if ABORT in extensions:
            extensions[ABORT]["call"]()

    def _too_large(self) -> RefusedBodyError:
        return RefusedBodyError(413, f"the body is larger than {self._limit.limits.max_bytes} bytes")


def _response(refusal: RefusedBodyError) -> PlainTextResponse:
    """The response. It closes the connection, since the rest of the body is still arriving. The API server retries after Retry-After."""
    headers = {"connection": "close"}
    if refusal.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["retry-after"] = "1"
    return PlainTextResponse(refusal.problem + "\n", refusal.status, headers)
