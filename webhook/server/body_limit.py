"""Reads a request's body within limits before the application sees it: its size, the time it takes, and what all bodies together hold."""

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
    """What one process takes.

    Args:
        max_bytes: Of one body.
        max_buffered_bytes: Of all bodies held at once.
        read_seconds: For one body to arrive, and again for its answer to be taken.

    """

    max_bytes: int
    max_buffered_bytes: int
    read_seconds: float


class RefusedBodyError(Exception):
    """A body that is not taken.

    Args:
        status: The HTTP status that says so.
        problem: What is wrong, and what is allowed.

    """

    def __init__(self, status: int, problem: str) -> None:
        """Keep both."""
        super().__init__(problem)
        self.status = status
        self.problem = problem


class BodyLimit:
    """ASGI middleware: hands the application a body that has arrived whole, or answers 408, 413 or 503 itself."""

    def __init__(self, app: ASGIApp, limits: BodyLimits, refused: Callable[[int, str], None]) -> None:
        """Limit this application; ``refused`` is told of each refusal."""
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
        """Let the application answer. From a client that does not read, uvicorn takes an answer that is cut short as a sign to close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.read_seconds):
                await self.app(scope, _replay(body, receive), send)


class _Body:
    """One body while it arrives."""

    def __init__(self, limit: BodyLimit) -> None:
        self.limit = limit
        self.held = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body, or None when the client went away."""
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
    """A ``receive`` that gives the body at once, then whatever the connection says."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _refusal(refusal: RefusedBodyError) -> PlainTextResponse:
    """The answer. The connection is closed: the rest of the body is still on its way. The API server comes again after Retry-After."""
    headers = {"connection": "close"}
    if refusal.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["retry-after"] = "1"
    return PlainTextResponse(refusal.problem + "\n", refusal.status, headers)
