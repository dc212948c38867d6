"""The drain: after SIGTERM requests are answered as before, and each response closes its connection.

The endpoint of a terminating pod is removed from the Service while it still runs, and nodes and API servers learn of that later. Until then
they open new connections. A keep-alive connection would live on as long as requests are sent over it, so each response closes its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONNECTION_CLOSE: Final = (b"connection", b"close")
"""uvicorn closes the connection after a response with it (https://www.rfc-editor.org/rfc/rfc9112#section-9.6)."""


class Drain:
    """ASGI middleware that closes each connection once `is_on` is set."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass everything on to this application."""
        self.app = app
        self.is_on = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self.is_on:
            await self.app(scope, receive, send)
            return

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), CONNECTION_CLOSE]
            await send(message)

        await self.app(scope, receive, send_closing)
