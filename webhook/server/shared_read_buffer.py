"""Reads all connections into one buffer, instead of a new one of 256 KiB for each read.

uvloop allocates as much as OpenSSL might return, shrinks it to what did arrive, and passes that on. Blocks of this size are mapped and
unmapped (`webhook.server.heap`), which costs each review three system calls. A protocol with a buffer of its own is read into that.

One buffer is enough for all: the event loop fills it, and the protocol parses it, in one step.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from webhook.server.protocol import BoundedProtocol

BUFFER_BYTES: Final = 64 * 1024
"""One read. uvloop reads on in the next turn of the event loop, so a fast client does not hold up the others."""

_BUFFER: Final = memoryview(bytearray(BUFFER_BYTES))


class SharedReadBuffer(asyncio.BufferedProtocol):
    """Passes the events of a transport on to the protocol of one connection.

    It lets go of the protocol at the end of the connection. uvloop's TLS holds the methods of this object even then, so it would hold the
    protocol, which holds the TLS: only a full garbage collection, minutes later, would free their buffers of 100 KiB and more.
    """

    def __init__(self, protocol: BoundedProtocol) -> None:
        """Pass them on to this protocol, and count the reads and their bytes."""
        self._protocol: BoundedProtocol | None = protocol
        self.reads = self.size = 0
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open, after its handshake."""
        self.is_open = True
        if self._protocol is not None:
            # uvloop's transports have the methods of this class, and are not derived from it.
            self._protocol.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next read, whatever its size."""
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        self.reads += 1
        self.size += nbytes
        if self._protocol is not None:
            self._protocol.data_received(_BUFFER[:nbytes])

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is empty enough."""
        if self._protocol is not None:
            self._protocol.resume_writing()
