"""A body as the server counts it, for applications that are called without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.server.buffered_bodies import BUFFERED, BufferedBody

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from webhook.server.buffered_bodies import BufferedBodies


def counted(bodies: BufferedBodies, scope: Scope, receive: Receive, peer: str = "10.0.0.1") -> tuple[Scope, Receive]:
    """The scope with the request's body, and a ``receive`` that counts each part first, as the server does."""
    body = BufferedBody(bodies, peer)

    async def receive_counted() -> dict[str, object]:
        message = await receive()
        body.has_read(bytearray(), len(message.get("body", b"")))
        return dict(message)

    return {**scope, "extensions": {BUFFERED: {"body": body}}}, receive_counted
