"""A body that has arrived completely, as the ``receive`` of an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive


class WholeBody:
    """Returns the body in one message, once, then the messages of the connection.

    Whoever calls it first has the body alone: it is free as soon as the review has parsed it.
    """

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        """Hold the body; ``receive`` is that of the connection."""
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}
