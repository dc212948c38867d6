"""Waits for the first message of a TLS handshake without reading it, so that the handshake's cost comes when it is this peer's turn.

Key exchange and signature, which are what a handshake costs the service, are computed when the ClientHello has arrived completely. So a
connection gets its turn only then. One whose ClientHello is in several records is closed: no known client sends it so.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

RECORD_HEAD: Final = 5
"""Type, version and length (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)."""

MESSAGE_HEAD: Final = 4
"""Type and length of the handshake message in the record (section 4)."""

HANDSHAKE: Final = 22
CLIENT_HELLO: Final = 1

MAX_CLIENT_HELLO: Final = 4096
"""Go's has 1.5 KB with a share for key exchange after quantum computers. OpenSSL compares each share with each group, 16 KB take 4 ms."""

FIRST_POLL_SECONDS: Final = 0.01
"""Until the rest of a ClientHello is looked for again, doubled each time: usually all of it arrives at once."""


async def has_client_hello(accepted: socket.socket) -> bool:
    """Whether a whole ClientHello has arrived; waits for it without a deadline. False: something else came, or the end."""
    await _readable(accepted)
    pause = FIRST_POLL_SECONDS
    while True:
        seen = _peek(accepted, RECORD_HEAD + MESSAGE_HEAD)
        if not seen or seen[0] != HANDSHAKE:
            return False
        if len(seen) == RECORD_HEAD + MESSAGE_HEAD:
            length = int.from_bytes(seen[3:RECORD_HEAD], "big")
            message = int.from_bytes(seen[RECORD_HEAD + 1 :], "big") + MESSAGE_HEAD
            if seen[RECORD_HEAD] != CLIENT_HELLO or not message <= length <= MAX_CLIENT_HELLO:
                return False
            if len(_peek(accepted, RECORD_HEAD + length)) == RECORD_HEAD + length:
                return True
        await asyncio.sleep(pause)
        pause *= 2


def _peek(accepted: socket.socket, size: int) -> bytes:
    """The first bytes, which stay where they are; none where the connection has ended."""
    try:
        return accepted.recv(size, socket.MSG_PEEK)
    except OSError:
        return b""


async def _readable(accepted: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()
    loop.add_reader(accepted, _done, arrived)
    try:
        await arrived
    finally:
        loop.remove_reader(accepted)


def _done(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)
