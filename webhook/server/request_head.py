"""What the head of a request says, as an ASGI scope has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


def content_length(scope: Scope) -> int | None:
    """The length of the body, in bytes. None: no header has a number. uvicorn's parser passes on no more bytes than that."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:20]) if value.isdigit() else None
    return None


def peer_of(scope: Scope) -> str:
    """The address of the client; empty where the server does not know it."""
    client = scope.get("client")
    return client[0] if client else ""
