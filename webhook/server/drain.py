"""The drain: between SIGTERM and the end everything is answered as before, and each answer sends its client elsewhere.

The endpoint of a pod that ends is taken out of the Service while it still runs, and nodes and API servers hear of that later; until
then new connections go on coming. A kept connection would last for as long as somebody asks over it, so each answer says that it was the
last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LAST_ANSWER: Final = (b"connection", b"close")
"""https://www.rfc-editor.org/rfc/rfc9112#section-9.6; uvicorn closes the connection after it."""


class Drain:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve as the application does, until `is_on`."""
        self.app = app
        self.is_on = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self.is_on:
            await self.app(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), LAST_ANSWER]
            await send(message)

        await self.app(scope, receive, send_last)
