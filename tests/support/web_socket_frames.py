"""The server's side of a WebSocket (RFC 6455), as far as the channels of a pod need it."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import BufferedIOBase

ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY: Final = 0x82
CLOSE: Final = 0x88


def accept_key(key: str) -> str:
    """The answer to a client's key."""
    return base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_GUID, usedforsecurity=False).digest()).decode()


def write_message(stream: BufferedIOBase, channel: int, data: bytes) -> None:
    """Send one message on a channel."""
    payload = bytes([channel]) + data
    length = bytes([len(payload)]) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    stream.write(bytes([BINARY]) + length + payload)
    stream.flush()


def write_close(stream: BufferedIOBase) -> None:
    """Say that nothing more comes."""
    stream.write(bytes([CLOSE, 0]))
    stream.flush()


def read_message(stream: BufferedIOBase) -> tuple[int, bytes] | None:
    """The channel and the bytes of the next message; None: the client has closed."""
    try:
        head = stream.read(2)
    except ConnectionResetError:
        return None
    if len(head) < 2 or head[0] != BINARY:
        return None
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", stream.read(2))
    mask = stream.read(4)
    payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(stream.read(length)))
    return payload[0], payload[1:]
