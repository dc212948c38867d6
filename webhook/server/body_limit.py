"""Reads a request's body before the application runs, with limits on its size and its duration. The server counts what it reads of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse

from webhook.server.buffered_bodies import BUFFERED
from webhook.server.deadlines import Deadlines
from webhook.server.protocol import ABORT
from webhook.server.request_head import content_length, peer_of
from webhook.server.turns import Turns
from webhook.server.whole_body import WholeBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from webhook.server.buffered_bodies import BufferedBody


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The limits of one process.

    Args:
        max_bytes: The size of one body.
        read_seconds: The time for a body to arrive, and again for its response to be sent.
        review_seconds: The time between the two, with the wait for its turn.

    """

    max_bytes: int
    read_seconds: float
    review_seconds: float


TOO_MANY: Final = "too many requests at once"
SHUTTING_DOWN: Final = "the webhook is shutting down"

REFUSAL_PAUSE_SECONDS: Final = 0.001
"""Between two refusals: a thousand bodies may be displaced, or expire, at the same moment."""

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

    A body that is displaced (`webhook.server.buffered_bodies`) is refused, whether it waits for its client or for its turn. A large
    response counts in the place of its body.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None]) -> None:
        """Limit this application; ``refused`` is called with the status and the problem of each refusal."""
        self.app = app
        self.limits = limits
        self.refused = refused
        self.reads = Deadlines(limits.read_seconds)
        self.reviews = Deadlines(limits.review_seconds)
        self.refusals = Turns(REFUSAL_PAUSE_SECONDS)
        self.in_flight = 0
        """The requests that are being received or answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _LimitedRequest(self, scope, send)
        self.in_flight += 1
        try:
            await request.serve(receive)
        except RefusedBodyError as refusal:
            self.refused(refusal.status, refusal.problem)
            await request.refuse(refusal, receive)
        finally:
            request.end()
            self.in_flight -= 1


class _LimitedRequest:
    """One request, from its first byte to the end of its response."""

    def __init__(self, limit: BodyLimit, scope: Scope, send: Send) -> None:
        self._limit, self._scope, self._send = limit, scope, send
        self._body: BufferedBody = scope["extensions"][BUFFERED]["body"]
        self._body.when_displaced = self.displace
        self._task = asyncio.current_task()
        self._has_arrived = False
        self._has_response = False
        self._interruption: asyncio.Handle | None = None
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
        except asyncio.CancelledError as cancelled:
            if self._is_own_interruption():
                self._end_interrupted()
            elif self._has_arrived:
                raise
            else:
                # By the server, at the end of its shutdown.
                raise RefusedBodyError(503, SHUTTING_DOWN) from cancelled

    async def refuse(self, refusal: RefusedBodyError, receive: Receive) -> None:
        """Answer with the refusal. A response that has begun is cut short instead, and its connection closed."""
        self._body.drop()
        self._end_interruption()
        if self._has_response:
            self._abort()
            return
        self._has_arrived = True
        try:
            await self._limit.refusals.next(peer_of(self._scope))
            await _response(refusal)(self._scope, receive, self.send)
        except asyncio.CancelledError:
            if not self._is_own_interruption():
                raise
            self._abort()

    def end(self) -> None:
        """Count it no more."""
        self._body.drop()
        self._end_interruption()
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
        self._body.replace(len(content))
        for start in range(0, len(content), PART_BYTES):
            end = start + PART_BYTES
            await self._send({"type": message["type"], "body": content[start:end], "more_body": end < len(content)})

    def displace(self) -> None:
        """Give up what its client delays, the rest of the body or the response, or a body that waits for its turn."""
        self._interrupt(RefusedBodyError(503, TOO_MANY))

    def expire(self) -> None:
        """Give up a body that did not arrive in time, or a response that its client did not read in time."""
        seconds = self._limit.limits.read_seconds
        self._interrupt(None if self._has_arrived else RefusedBodyError(408, f"the body did not arrive within {seconds:g} s"))

    async def _read(self, receive: Receive) -> WholeBody | None:
        """Wait for the whole body; None where the client disconnected."""
        if (content_length(self._scope) or 0) > self._limit.limits.max_bytes:
            raise self._too_large()
        size = 0
        while True:
            message = await receive()
            if not self._body.is_wanted:
                # Displaced, maybe before it was served; a part of it is missing.
                raise RefusedBodyError(503, TOO_MANY)
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._limit.limits.max_bytes:
                raise self._too_large()
            self._body.has_received(part)
            if not message.get("more_body", False):
                return WholeBody(self._body.join(), receive)
            # A displaced body is free at once.
            del message, part

    def _interrupt(self, refusal: RefusedBodyError | None) -> None:
        """End whatever it waits for, and refuse it. Not at once, since it may be this request itself that is running."""
        if self._interruption is None and self._task is not None:
            self._refusal = refusal
            self._interruption = asyncio.get_running_loop().call_soon(self._task.cancel)

    def _end_interruption(self) -> None:
        if self._interruption is not None:
            self._interruption.cancel()
            self._interruption = None

    def _is_own_interruption(self) -> bool:
        """Whether its task was cancelled here, and by nobody else."""
        return self._interruption is not None and self._task is not None and not self._task.uncancel()

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
