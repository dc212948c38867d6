"""Large bodies arrive in turns: one part of one of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.server.request_head import content_length, peer_of
from webhook.server.turns import LARGE_BYTES, Turns

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAUSE_SECONDS: Final = 0.001
"""Between two parts. uvicorn stops reading at 64 KiB, which one read exceeds by at most 40 KiB."""


class PartTurns:
    """ASGI middleware: a body that may be large is received in turns. A small one, by its Content-Length, is passed on untouched."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to this application."""
        self.app = app
        self._turns = Turns(PAUSE_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and _may_be_large(content_length(scope)):
            receive = _ReceiveInTurns(self._turns, peer_of(scope), receive).receive
        await self.app(scope, receive, send)


class _ReceiveInTurns:
    """The ``receive`` of one request."""

    def __init__(self, turns: Turns, peer: str, receive: Receive) -> None:
        self._turns, self._peer, self._receive = turns, peer, receive
        self._received = 0

    async def receive(self) -> Message:
        """The next part. uvicorn reads no more of this connection until it is called."""
        if self._received > LARGE_BYTES:
            await self._turns.next(self._peer)
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message


def _may_be_large(length: int | None) -> bool:
    return length is None or length > LARGE_BYTES
