"""Reads a request's body before the application runs, with limits on its size, its duration, and the size of all bodies together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Callable

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

    Where all bodies together are too large, the largest one that waits for its client is refused. So a few clients that send large bodies
    slowly, or do not read their responses, cannot occupy the buffer: the usual review is a hundredth of theirs.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None]) -> None:
        """Limit this application; ``refused`` is called with the status and the problem of each refusal."""
        self.app = app
        self.limits = limits
        self.refused = refused
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
        body = _Body(self)
        self._bodies.add(body)
        try:
            whole = await body.read(scope, receive)
            if whole is not None:
                await body.exchange(self.app, scope, _replay(whole, receive), send)
        except RefusedBodyError as refusal:
            body.let_go()
            self.refused(refusal.status, refusal.problem)
            await body.exchange(_refusal(refusal), scope, receive, send)
        finally:
            body.let_go()
            self._bodies.discard(body)

    def make_room(self) -> None:
        """Refuse the largest bodies until the others fit.

        No review can be among them: it runs from the last byte of its body to the first of its response without a pause.
        """
        while self.buffered > self.limits.max_buffered_bytes:
            largest = max(self._bodies, key=lambda body: body.held)
            if not largest.held:
                return
            largest.displace()


class _Body:
    """One body while it arrives and while its response is sent."""

    def __init__(self, limit: BodyLimit) -> None:
        self.limit = limit
        self.held = 0
        self._deadline: asyncio.Timeout | None = None
        self._is_displaced = False

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where the client disconnected."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length[:20]) > self.limit.limits.max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limit.limits.read_seconds) as self._deadline:
                return await self._gather(receive)
        except TimeoutError as error:
            if self._is_displaced:
                raise RefusedBodyError(503, TOO_MANY) from error
            raise RefusedBodyError(408, f"the body did not arrive within {self.limit.limits.read_seconds:g} s") from error

    async def exchange(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer. If the client does not read in time, the response is cut short and uvicorn closes the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limit.limits.read_seconds) as self._deadline:
                await app(scope, receive, send)

    def let_go(self) -> None:
        """Count its bytes no more."""
        self.limit.buffered -= self.held
        self.held = 0

    def displace(self) -> None:
        """Give up what its client delays: the rest of the body, or the response."""
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

    def _hold(self, size: int) -> None:
        self.held += size
        self.limit.buffered += size
        if self.held > self.limit.limits.max_bytes:
            raise self._too_large()
        self.limit.make_room()
        if self._is_displaced:
            raise RefusedBodyError(503, TOO_MANY)

    def _too_large(self) -> RefusedBodyError:
        return RefusedBodyError(413, f"the body is larger than {self.limit.limits.max_bytes} bytes")


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
