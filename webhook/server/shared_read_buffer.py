"""Reads all connections into one buffer, instead of a new one of 256 KiB for each read.

uvloop allocates as much as OpenSSL might return, shrinks it to what did arrive, and passes that on. Blocks of this size are mapped and
unmapped (`webhook.server.heap`), which costs each review three system calls. A protocol with a buffer of its own is read into that.

One buffer is enough for all: the event loop fills it, and the protocol parses it, in one step.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.server.protocol import BoundedProtocol

BUFFER_BYTES: Final = 64 * 1024
"""One read. uvloop reads on in the next turn of the event loop, so a fast client does not hold up the others."""

_BUFFER: Final = memoryview(bytearray(BUFFER_BYTES))


class SharedReadBuffer(asyncio.BufferedProtocol):
    """Passes the events of a transport on to the protocol of one connection."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        """Pass them on to this protocol."""
        self.connection_made = protocol.connection_made  # type: ignore[assignment]
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self._data_received = protocol.data_received

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next read, whatever its size."""
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        self._data_received(_BUFFER[:nbytes])
