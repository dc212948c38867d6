"""The open connections of one port, and which of them is closed where there are too many.

A connection is busy from the end of a request's body until the end of its response, unless another request waits behind it. All others are
idle, whatever they wait for: the handshake, a request, the rest of one. A new connection beyond a limit takes the place of an idle one, so
that nobody can occupy a port by opening connections and keeping them.

Beyond the limit of a peer address, that peer's own oldest idle connection is closed. Beyond the limit of all, it is the oldest idle one of
the peer with the most connections. Only a peer that is left with at least as many as the new one's pays: API servers have few, and keep
them. Where all connections of such peers are busy, the peer with the most loses its oldest one all the same: otherwise a few peers that are
always busy would keep all others out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one port.

    Args:
        total: All its connections.
        per_peer: Those from one address.
        unread: Those whose client has not read a response.
        buffer_bytes: The sum of `OpenConnection.buffer_bytes`. Where it is reached, connections are read in small parts, and a larger
            response displaces an idle connection.

    """

    total: int
    per_peer: int
    unread: int
    buffer_bytes: int


@dataclass(slots=True, eq=False)
class OpenConnection:
    """One connection.

    Args:
        peer: The address of the other side, without its port.
        close: Closes it at once.
        is_busy: Whether a review or its response is under way, and no request waits behind it.
        largest_read: The most bytes that were read at once; 0 for no more than any connection may read.
        largest_response: The most bytes of one response.

    """

    peer: str
    close: Callable[[], object]
    is_busy: bool = False
    largest_read: int = 0
    largest_response: int = 0

    @property
    def buffer_bytes(self) -> int:
        """What its buffers grew to, which uvloop and OpenSSL keep as long as the connection. What is read is in both."""
        return 2 * self.largest_read + self.largest_response


class Connections:
    """The open connections, from the one that has been idle for the longest time to the newest."""

    def __init__(self, limits: ConnectionLimits, displaced: Callable[[], None], ended: Callable[[], None] = lambda: None) -> None:
        """Hold none.

        Args:
            limits: Those of the port.
            displaced: Is called for each connection that is closed because of a limit.
            ended: Is called for each connection that has ended, whatever the reason.

        """
        self.limits = limits
        self._displaced, self._ended = displaced, ended
        self._by_peer: dict[str, dict[OpenConnection, None]] = {}
        self._unread: dict[OpenConnection, None] = {}
        self._buffer_bytes: Counter[str] = Counter()
        self._total = 0
        self.room = limits.buffer_bytes
        """For larger buffers; negative where there is none."""

    def __len__(self) -> int:
        """How many are open."""
        return self._total

    @property
    def peers(self) -> int:
        """From how many addresses."""
        return len(self._by_peer)

    def add(self, peer: str) -> OpenConnection | None:
        """Count a new connection, and close another one where there is no room. None: no other one pays, so close the new one."""
        if not self._make_room(peer):
            self._displaced()
            return None
        connection = OpenConnection(peer, lambda: None)
        self._by_peer.setdefault(peer, {})[connection] = None
        self._total += 1
        return connection

    def remove(self, connection: OpenConnection) -> None:
        """Forget a connection that has ended; nothing happens if it is forgotten already."""
        of_peer = self._by_peer.get(connection.peer, {})
        if connection not in of_peer:
            return
        del of_peer[connection]
        self._ended()
        self._unread.pop(connection, None)
        self._buffer_bytes[connection.peer] -= connection.buffer_bytes
        self.room += connection.buffer_bytes
        self._total -= 1
        if not of_peer:
            del self._by_peer[connection.peer]
            del self._buffer_bytes[connection.peer]

    def idle(self, connection: OpenConnection) -> None:
        """A connection has become idle, and is the newest of the idle ones."""
        connection.is_busy = False
        of_peer = self._by_peer.get(connection.peer, {})
        if connection in of_peer:
            del of_peer[connection]
            of_peer[connection] = None

    def is_unread(self, connection: OpenConnection) -> None:
        """A connection's client has not read its response; where there are too many, close the oldest of the peer with the most."""
        self._unread[connection] = None
        if len(self._unread) > self.limits.unread:
            ((largest, _count),) = Counter(one.peer for one in self._unread).most_common(1)
            self._close(next(one for one in self._unread if one.peer == largest))

    def was_read(self, connection: OpenConnection) -> None:
        """The client of a connection has read its response after all."""
        self._unread.pop(connection, None)

    def has_read(self, connection: OpenConnection, size: int) -> None:
        """A TLS connection has read so much at once, more than before."""
        before, connection.largest_read = connection.buffer_bytes, size
        self._grow(connection, connection.buffer_bytes - before)

    def has_responded(self, connection: OpenConnection, size: int) -> None:
        """A response of a connection has this size, more than those before.

        Where there is no room for it, close idle connections of the peers whose buffers take no less than this one's: those with more than
        their share of all that there may be, since of the others hundreds would have to go.
        """
        before, connection.largest_response = connection.buffer_bytes, size
        self._grow(connection, connection.buffer_bytes - before)
        share = self.limits.buffer_bytes // self.limits.total
        while self.room < 0:
            own = self._buffer_bytes[connection.peer]
            larger = [peer for peer, taken in self._buffer_bytes.most_common() if taken >= own]
            if not any(self._displace([one for one in self._by_peer[peer] if one.buffer_bytes > share]) for peer in larger):
                return

    def _grow(self, connection: OpenConnection, size: int) -> None:
        if connection in self._by_peer.get(connection.peer, {}):
            self._buffer_bytes[connection.peer] += size
            self.room -= size

    def _make_room(self, peer: str) -> bool:
        of_peer = self._by_peer.get(peer, {})
        if len(of_peer) >= self.limits.per_peer:
            return self._displace(of_peer)
        if self._total < self.limits.total:
            return True
        # A peer with fewer than this one does not pay for its next: API servers have few, and others must not drive them out.
        paying = [connections for connections in self._by_peer.values() if len(connections) > len(of_peer) + 1 or connections is of_peer]
        paying.sort(key=len, reverse=True)
        if any(self._displace(connections) for connections in paying):
            return True
        if not paying or paying[0] is of_peer:
            return False
        self._close(next(iter(paying[0])))
        return True

    def _displace(self, connections: Iterable[OpenConnection]) -> bool:
        """Close the first idle one of these; whether there is one."""
        oldest = next((connection for connection in connections if not connection.is_busy), None)
        if oldest is None:
            return False
        self._close(oldest)
        return True

    def _close(self, connection: OpenConnection) -> None:
        self.remove(connection)
        self._displaced()
        connection.close()
