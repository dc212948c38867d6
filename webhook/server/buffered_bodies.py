"""The bodies of all requests to one port that are in memory, and which of them is dropped where they are too large together.

A body counts from the moment its bytes are read, whether or not its request is served yet, and so does a head that is large. Beyond the
limit the address whose bodies are the largest together loses the largest of them. So whoever sends many bodies, or large ones, slowly or
without an end, pays for it, and the usual review of another address does not.

The bytes of a dropped body are free at once: in one turn of the event loop some 64 KiB of each connection may be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFERED: Final = "airflow-sidecar-webhook.buffered"
"""The extension of the ASGI scope with the `BufferedBody` of its request, as ``body``."""


class BufferedBodies:
    """All bodies of one port."""

    def __init__(self, max_bytes: int) -> None:
        """Hold none; ``max_bytes`` is the largest size of all together."""
        self.max_bytes = max_bytes
        self.size = 0
        self._by_peer: dict[str, _OfPeer] = {}

    def count(self, body: BufferedBody, size: int) -> None:
        """A body has grown by so many bytes."""
        of_peer = self._by_peer.get(body.peer)
        if of_peer is None:
            of_peer = self._by_peer[body.peer] = _OfPeer()
        of_peer.bodies[body] = None
        body.size += size
        of_peer.size += size
        self.size += size
        while self.size > self.max_bytes:
            largest = max(self._by_peer.values(), key=lambda one: one.size)
            max(largest.bodies, key=lambda one: one.size).displace()

    def forget(self, body: BufferedBody) -> None:
        """A body counts no more."""
        of_peer = self._by_peer.get(body.peer)
        if of_peer is None or body not in of_peer.bodies:
            return
        del of_peer.bodies[body]
        of_peer.size -= body.size
        self.size -= body.size
        body.size = 0
        if not of_peer.bodies:
            del self._by_peer[body.peer]


class _OfPeer:
    """The bodies of one address."""

    __slots__ = ("bodies", "size")

    def __init__(self) -> None:
        self.bodies: dict[BufferedBody, None] = {}
        self.size = 0


class BufferedBody:
    """The body of one request, and after it a response that is as large. Whoever serves the request drops it at its end."""

    __slots__ = ("_all", "_head", "_parts", "_unreceived", "is_wanted", "peer", "size", "when_displaced")

    def __init__(self, bodies: BufferedBodies, peer: str) -> None:
        """Nothing is read yet; it is counted with these bodies, as one of this address."""
        self._all = bodies
        self._unreceived: bytearray | None = None
        self._head: list[tuple[bytes, bytes]] | None = None
        self._parts: list[bytes] = []
        self.peer = peer
        self.size = 0
        self.is_wanted = True
        self.when_displaced: Callable[[], None] | None = None
        """Is called when it is dropped for others."""

    def has_head(self, head: list[tuple[bytes, bytes]], size: int) -> None:
        """The head of its request takes so many bytes more; ``head`` has its fields, and loses them on a drop."""
        self._head = head
        self._all.count(self, size)

    def has_read(self, unreceived: bytearray, size: int) -> None:
        """The server has read so many bytes more; ``unreceived`` has all that the application has not received, and loses it on a drop."""
        self._unreceived = unreceived
        self._all.count(self, size)

    def has_received(self, part: bytes) -> None:
        """The application has received all that was read, as the next part."""
        self._unreceived = None
        self._parts.append(part)

    def join(self) -> bytes:
        """The whole body, which still counts."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def replace(self, size: int) -> None:
        """The application needs it no more, and has a response of this size."""
        self._forget()
        self._all.count(self, size)

    def drop(self) -> None:
        """Free what is there, count it no more, and take nothing more."""
        self.is_wanted = False
        self.when_displaced = None
        self._forget()
        self._parts = []
        if self._unreceived is not None:
            self._unreceived.clear()
            self._unreceived = None

    def _forget(self) -> None:
        self._all.forget(self)
        if self._head is not None:
            self._head.clear()
            self._head = None

    def displace(self) -> None:
        """Drop it for others."""
        when_displaced = self.when_displaced
        self.drop()
        if when_displaced is not None:
            when_displaced()
