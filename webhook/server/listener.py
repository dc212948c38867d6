"""Accepts the connections of one port, and counts each before anything else.

asyncio's own TLS server shows a connection to the program only after its handshake. Until then nothing could count it or close it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from webhook.server.connections import Connections, OpenConnection
    from webhook.server.protocol import BoundedProtocol

BACKLOG: Final = 1024
"""Connections that the kernel keeps until they are accepted; it may have a lower limit (net.core.somaxconn)."""

ACCEPTED_AT_ONCE: Final = 8
"""Connections that are accepted in one turn of the event loop, so that reviews have their turn as well."""

PAUSE_SECONDS: Final = 0.1
"""Until the next attempt, where the system has no descriptor or no memory for a connection."""

CLOSE_SECONDS: Final = 5.0
"""For the other side to take the rest of a response and to answer the end of TLS. uvloop's default is 30 s."""


class Listener:
    """One port. Every connection gets a protocol of its own; where there is a TLS context, after a handshake with a deadline."""

    def __init__(self, connections: Connections, make_protocol: Callable[[OpenConnection], BoundedProtocol], tls: Handshake | None) -> None:
        """Accept nothing before `start`."""
        self._connections = connections
        self._make_protocol = make_protocol
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls: dict[str, Any] = tls.arguments() if tls else {}

    def start(self, bound: socket.socket) -> None:
        """Listen on a socket that is bound, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._socket = bound
        bound.setblocking(False)  # noqa: FBT003 - its only argument
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
        connection.close = partial(_shut_down, accepted)
        task = self._loop.create_task(self._serve(accepted, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket, connection: OpenConnection) -> None:
        """Shake hands, and hand the connection to its protocol, which counts it from then on."""
        protocol = self._make_protocol(connection)
        try:
            # Whatever the other side sends instead of a handshake, and if it sends nothing, uvloop closes the connection and says so here.
            with suppress(OSError):
                await self._loop.connect_accepted_socket(lambda: protocol, accepted, **self._tls)
        finally:
            if not protocol.is_connected:
                self._connections.remove(connection)


def _shut_down(accepted: socket.socket) -> None:
    """End a connection in its handshake: uvloop reads the end and closes it. To cancel its task would not always close it."""
    with suppress(OSError):
        accepted.shutdown(socket.SHUT_RDWR)


class Handshake:
    """How TLS begins on a port: with this context, within this time in seconds."""

    def __init__(self, context: ssl.SSLContext, seconds: float) -> None:
        """Store both."""
        self.context = context
        self.seconds = seconds

    def arguments(self) -> dict[str, Any]:
        """For asyncio."""
        return {"ssl": self.context, "ssl_handshake_timeout": self.seconds, "ssl_shutdown_timeout": CLOSE_SECONDS}
