"""Accepts the connections of one port, and counts each before anything else. Handshakes and reads of the peers take turns.

asyncio's own TLS server shows a connection to the program only after its handshake. Until then nothing could count it or close it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from uvloop.loop import SSLProtocol  # type: ignore[attr-defined] # its stub lacks it

from webhook.server.client_hello import has_client_hello
from webhook.server.shared_read_buffer import SharedReadBuffer
from webhook.server.tls_records import TlsRecords
from webhook.server.turns import Shares, Turns

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from webhook.server.connections import Connections, OpenConnection
    from webhook.server.protocol import BoundedProtocol

BACKLOG: Final = 1024
"""Connections that the kernel keeps until they are accepted; it may have a lower limit (net.core.somaxconn)."""

ACCEPTED_AT_ONCE: Final = 8
"""Connections that are accepted in one turn of the event loop, so that reviews have their turn as well."""

PAUSE_SECONDS: Final = 0.1
"""Until the next attempt, where the system has no descriptor or no memory for a connection."""

BUFFER_BYTES: Final = 32 * 1024
"""Of the kernel, in each direction of a connection: it keeps this for its own data as well, so twice as much. Bodies and answers of an API
server are some 20 KB."""

HANDSHAKE_PAUSE_SECONDS: Final = 0.002
"""Between two steps of handshakes, of which each takes some 0.5 ms: so they take a quarter of the time, and reviews have the rest."""

HANDSHAKE_PAUSE_FACTOR: Final = 3.0
"""The same for steps that take longer, as with an RSA key of 4,096 bits: the pause as a multiple of the duration."""

HANDSHAKE_OWED_SECONDS: Final = 0.5
"""The time that handshakes may owe: that of some hundred connections after a quiet time. An API server opens one for each review that it
sends at the same time, and each pod of these waits for its handshake."""

CLOSE_SECONDS: Final = 5.0
"""For the other side to take the rest of a response and to answer the end of TLS. uvloop's default is 30 s."""


class Listener:
    """One port. Every connection gets a protocol of its own; where there is a TLS context, after a handshake with a deadline."""

    def __init__(
        self,
        connections: Connections,
        make_protocol: Callable[[OpenConnection], BoundedProtocol],
        read_seconds: float,
        newest_context: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        """Accept nothing before `start`.

        Args:
            connections: Counts them.
            make_protocol: Makes the protocol of a connection.
            read_seconds: For the ClientHello, then for the rest of a handshake; and for the other side to take what was sent to it.
            newest_context: For TLS: the context of the next handshake; None: without TLS. It is not an `ssl.SSLContext.sni_callback`, since
                Python writes a server name that is not ASCII to stderr before it calls one.

        """
        self._connections = connections
        self._make_protocol = make_protocol
        self._tasks: set[asyncio.Task[None]] = set()
        self._read_seconds = read_seconds
        self._newest_context = newest_context
        self._handshakes = Turns(HANDSHAKE_PAUSE_SECONDS, lambda seconds: seconds * HANDSHAKE_PAUSE_FACTOR, HANDSHAKE_OWED_SECONDS)
        self._reads = Shares(lambda: connections.peers)

    def start(self, bound: socket.socket) -> None:
        """Listen on a socket that is bound, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._socket = bound
        bound.setblocking(False)  # noqa: FBT003 - its only argument
        # Every connection has the options of the socket that it was accepted from.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        # A response that nobody reads: the kernel ends the connection (tcp(7)), also while a part of it waits in uvloop.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._read_seconds * 1000))
        bound.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        """Accept no more. Open connections stay open."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(self._socket)
                self._loop.call_later(PAUSE_SECONDS, self._resume)
                return
            self._admit(accepted, str(address[0]))

    def _admit(self, accepted: socket.socket, peer: str) -> None:
        connection = self._connections.add(peer)
        if connection is None:
            accepted.close()
            return
        accepted.setblocking(False)  # noqa: FBT003 - its only argument
        task = self._loop.create_task(self._serve(accepted, connection))
        connection.close = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket, connection: OpenConnection) -> None:
        """Shake hands, and hand the connection to its protocol, which counts it from then on."""
        is_connected = False
        try:
            if self._newest_context is None or await self._may_shake_hands(accepted, connection.peer):
                is_connected = await self._connect(accepted, connection)
        finally:
            if not is_connected:
                self._connections.remove(connection)

    async def _may_shake_hands(self, accepted: socket.socket, peer: str) -> bool:
        """Wait for the ClientHello and for this peer's turn; otherwise close the connection."""
        may = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._read_seconds):
                    may = await has_client_hello(accepted)
            if may:
                await self._handshakes.next(peer)
        except asyncio.CancelledError:
            may = False
        if not may:
            accepted.close()
        return may

    async def _connect(self, accepted: socket.socket, connection: OpenConnection) -> bool:
        """Make the protocol's transport; whether there is a connection."""
        # To cancel the task would not always close the connection. uvloop reads this end, and closes it.
        connection.close = partial(_shut_down, accepted)
        protocol = self._make_protocol(connection)
        # Whatever the other side sends instead of a handshake, and if it sends nothing, uvloop closes the connection and says so here.
        with suppress(OSError):
            await self._attach(accepted, SharedReadBuffer(protocol), connection)
        return protocol.is_connected

    async def _attach(self, accepted: socket.socket, plain: SharedReadBuffer, connection: OpenConnection) -> None:
        """Make the transport, and wait for the end of the handshake."""
        if self._newest_context is None:
            await self._loop.connect_accepted_socket(lambda: plain, accepted)
            return
        shaken: asyncio.Future[None] = self._loop.create_future()
        # What uvloop itself makes for a TLS connection; here it is not the protocol of the socket, but behind one.
        tls = SSLProtocol(
            self._loop,
            plain,
            self._newest_context(),
            shaken,
            server_side=True,
            ssl_handshake_timeout=self._read_seconds,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        )
        records = TlsRecords(tls, plain, self._handshakes, self._reads, self._connections, connection)
        await self._loop.connect_accepted_socket(lambda: records, accepted)
        await shaken


def _shut_down(accepted: socket.socket) -> None:
    """End a connection in its handshake."""
    with suppress(OSError):
        accepted.shutdown(socket.SHUT_RDWR)
