"""Stands in front of OpenSSL: its handshakes take turns, and a connection that sends many records and little within them is closed.

A client may send any number of TLS 1.3's KeyUpdate messages (https://www.rfc-editor.org/rfc/rfc8446#section-4.6.3). OpenSSL computes new
keys for each of 27 bytes, all within the call that reads what has arrived: 64 KiB of them would stop the event loop for 40 ms. Nothing of
it reaches the HTTP protocol. Empty records, and attempts to renegotiate, are of the same kind.

So a connection has a budget of records, which what it sends within them fills up again. Record headers are readable without the keys.

What arrives is decrypted and parsed by the address it comes from: as long as several addresses have connections, one read of each in a turn
of the event loop. Otherwise a thousand connections that have data at the same moment would take one turn of 100 ms and more. What was read
before its share comes stays in the buffer of TLS, and nothing more is read of that connection.

Buffers in uvloop and in OpenSSL grow to what is read at once of a connection, and stay. So that is bounded, and is small where the buffers
of all connections together have no room to grow. What is larger stays in the kernel until the next read.

Before the handshake has ended, OpenSSL may have to compute keys for whatever arrives: in TLS 1.3 for a second ClientHello, in TLS 1.2 for
the client's key. Both are handshake records that are not encrypted, so each of these waits for a turn as well. A long turn has a long
pause after it. The usual end of a handshake in TLS 1.3 is encrypted and costs a hash: it waits for nothing, and neither does the request
that a client sends right after it.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from webhook.server.client_hello import MAX_CLIENT_HELLO, RECORD_HEAD

if TYPE_CHECKING:
    from webhook.server.connections import Connections, OpenConnection
    from webhook.server.shared_read_buffer import SharedReadBuffer
    from webhook.server.turns import Shares, Turns

KEYLESS: Final = frozenset({20, 21, 23})
"""Types of records for which no key is computed: change_cipher_spec, alert and whatever is encrypted
(https://www.rfc-editor.org/rfc/rfc8446#section-5.1)."""

STEP_BYTES: Final = 2 * MAX_CLIENT_HELLO
"""One step of a handshake: without certificates of clients the others are smaller than the ClientHello. So much can always be read."""

READ_BYTES: Final = 24 * 1024
"""One read after the handshake, where there is room: the usual review, of some 20 KB, as a whole."""

MAX_RECORDS: Final = 128
"""The budget. A handshake has about five records, and what is read at once of a large body some twenty."""

RECORDS_A_READ: Final = 4
"""For each read that had data: the head and the body of a request, in records of their own."""

BYTES_A_RECORD: Final = 256
"""For data beyond that. Go's client has records of more than a thousand bytes."""


class TlsRecords(asyncio.BufferedProtocol):
    """Passes the events of a TCP connection on to uvloop's TLS, as long as the budget lasts."""

    def __init__(
        self,
        tls: asyncio.BufferedProtocol,
        plain: SharedReadBuffer,
        handshakes: Turns,
        reads: Shares,
        connections: Connections,
        connection: OpenConnection,
    ) -> None:
        """Stand in front of one connection, whose first turn has come.

        Args:
            tls: What arrives is passed on to it.
            plain: It passes data on to this.
            handshakes: The turns of their steps.
            reads: The shares of what is read after them.
            connections: Have the room for larger buffers.
            connection: It has the turns and shares of its address, and is closed at once where it has to go in the middle of the handshake.

        """
        self._tls = tls
        self._plain = plain
        self._handshakes, self._reads = handshakes, reads
        self._connections, self._connection = connections, connection
        self._has_begun = False
        self._waiting: asyncio.Future[None] | None = None
        self._budget = MAX_RECORDS
        self._seen = (0, 0)
        self._until_header = 0
        self._header = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = transport
        self._connection.close = transport.abort  # type: ignore[attr-defined] # uvloop's transports are not derived from asyncio's.
        self._tls.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._tls.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """A part of the buffer of TLS; of a handshake one step is read, which may have to wait for its turn."""
        size = max(STEP_BYTES, self._connection.largest_read)
        if size < READ_BYTES and self._plain.is_open and self._connections.room > 2 * READ_BYTES:
            size = READ_BYTES
        self._buffer = memoryview(self._tls.get_buffer(sizehint))[:size]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read: count the records that begin in them, and pass them on, in a turn where there may be keys to compute."""
        self._earn()
        begins_record = not self._until_header and not self._header
        self._budget -= self._count(self._buffer[:nbytes])
        if self._budget < 0:
            self._transport.abort()  # type: ignore[attr-defined]
            return
        if self._plain.is_open:
            if nbytes > STEP_BYTES and nbytes > self._connection.largest_read:
                self._connections.has_read(self._connection, nbytes)
            if self._reads.takes(self._connection.peer):
                self._tls.buffer_updated(nbytes)
            else:
                self._wait_for_share(nbytes)
        elif not self._has_begun:
            self._has_begun = True
            self._shake_hands(nbytes)
        elif begins_record and _is_keyless(self._buffer[:nbytes]):
            self._tls.buffer_updated(nbytes)
        else:
            self._transport.pause_reading()  # type: ignore[attr-defined]
            self._waiting = asyncio.get_running_loop().create_task(self._shake_hands_in_turn(bytes(self._buffer[:nbytes])))

    def _wait_for_share(self, nbytes: int) -> None:
        """Pass these bytes on later, and read no more until then."""
        self._transport.pause_reading()  # type: ignore[attr-defined]
        self._waiting = self._reads.wait(self._connection.peer)
        self._waiting.add_done_callback(partial(self._pass_on, nbytes))

    def _pass_on(self, nbytes: int, share: asyncio.Future[None]) -> None:
        if share.cancelled():
            return
        self._waiting = None
        # First, since TLS may pause it again.
        self._transport.resume_reading()  # type: ignore[attr-defined]
        self._tls.buffer_updated(nbytes)

    def _earn(self) -> None:
        """Fill up the budget for the data that was read since the last time."""
        reads, size = self._seen
        self._seen = self._plain.reads, self._plain.size
        if self._seen[0] != reads:
            earned = (self._seen[0] - reads) * RECORDS_A_READ + (self._seen[1] - size) // BYTES_A_RECORD
            self._budget = min(MAX_RECORDS, self._budget + earned)

    def eof_received(self) -> bool | None:
        """The other side sends no more."""
        return self._tls.eof_received()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is empty enough."""
        self._tls.resume_writing()

    def _shake_hands(self, nbytes: int) -> None:
        # The processor's time: where the service has to wait for its processor, a usual step is not a long one.
        began = time.thread_time()
        self._tls.buffer_updated(nbytes)
        self._handshakes.took(time.thread_time() - began)

    async def _shake_hands_in_turn(self, data: bytes) -> None:
        await self._handshakes.next(self._connection.peer)
        self._waiting = None
        # First, since TLS may pause it again.
        self._transport.resume_reading()  # type: ignore[attr-defined]
        memoryview(self._tls.get_buffer(len(data)))[: len(data)] = data
        self._shake_hands(len(data))

    def _count(self, data: memoryview) -> int:
        """How many headers are complete with this data."""
        at, records, size = self._until_header, 0, len(data)
        if self._header:
            missing = RECORD_HEAD - len(self._header)
            self._header += bytes(data[:missing])
            if len(self._header) < RECORD_HEAD:
                return 0
            at, records = missing + _length(self._header), 1
        while at + RECORD_HEAD <= size:
            at += RECORD_HEAD + _length(data[at : at + RECORD_HEAD])
            records += 1
        self._header = bytes(data[at:])
        self._until_header = max(0, at - size)
        return records


def _length(header: bytes | memoryview) -> int:
    return header[3] << 8 | header[4]


def _is_keyless(records: memoryview) -> bool:
    """Whether these records, the last of which may be incomplete, need no key to be computed."""
    at = 0
    while at + RECORD_HEAD <= len(records) and records[at] in KEYLESS:
        at += RECORD_HEAD + _length(records[at : at + RECORD_HEAD])
    return at >= len(records)
