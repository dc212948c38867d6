"""Reads a request's body before the application runs, with limits on its size, its duration, and the size of all bodies together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """ASGI middleware: passes on a body that has arrived completely, or answers with 408, 413 or 503 itself."""

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None]) -> None:
        """Limit this application; ``refused`` is called with the status and the problem of each refusal."""
        self.app = app
        self.limits = limits
        self.refused = refused
        self.buffered = 0
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self)
        self.in_flight += 1
        try:
            whole = await body.read(scope, receive)
            if whole is not None:
                await self._answer(whole, scope, receive, send)
        except RefusedBodyError as refusal:
            self.refused(refusal.status, refusal.problem)
            await _refusal(refusal)(scope, receive, send)
        finally:
            self.in_flight -= 1
            self.buffered -= body.held

    async def _answer(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer. If the client does not read in time, the response is cut short and uvicorn closes the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.read_seconds):
                await self.app(scope, _replay(body, receive), send)


class _Body:
    """One body while it arrives."""

    def __init__(self, limit: BodyLimit) -> None:
        self.limit = limit
        self.held = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where the client disconnected."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length[:20]) > self.limit.limits.max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limit.limits.read_seconds):
                return await self._gather(receive)
        except TimeoutError as error:
            raise RefusedBodyError(408, f"the body did not arrive within {self.limit.limits.read_seconds:g} s") from error

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
        if self.limit.buffered > self.limit.limits.max_buffered_bytes:
            raise RefusedBodyError(503, "too many requests at once")

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
