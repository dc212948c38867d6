"""Turns: the work of each peer address waits for its own, and not for that of the others.

The service runs in one thread, so a review waits for whatever that thread is doing. Two kinds of work are divided:

* Large work, such as a part of a large body, its review, or a TLS handshake, is done one piece at a time, with a pause after each
  (`Turns`). In the pauses everything small runs.
* Small work, which is to read from a connection and to review a small body, alternates between several peers (`Shares`): in one turn of
  the event loop each peer has one piece of each kind. A peer that is alone never waits. Of the peers whose small bodies take long all the
  same, one has a piece in a turn.

Peers take turns by address. So an API server waits for one piece of each other peer's work at most, however many connections those open.
The turns of one peer go by namespace: those who create pods in one have a turn after those in each other one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGE_BYTES: Final = 64 * 1024
"""A body from this size on is large. A task pod's review has some 20 KB."""

LONG_SECONDS: Final = 0.002
"""A piece of small work that takes longer is long: a usual review takes 0.4, and one of a hostile pod of 64 KiB up to 10 ms."""

SLOW_FACTOR: Final = 400.0
"""How long a peer is slow after a long piece, as a multiple of its duration: until its next one, also beside dozens of such peers."""

MOST_SLOW: Final = 1024
"""Peers that may be slow at once: of more nothing is known."""

MAX_PAUSE_SECONDS: Final = 3.0
"""Whatever the work took: what waits behind it shall have its turn before its client gives up."""


class _Waiting:
    """What waits, by peer and by namespace; the peer whose turn is next comes first, and so does the namespace within it."""

    def __init__(self) -> None:
        self._by_peer: dict[str, dict[str, deque[asyncio.Future[None]]]] = {}

    def __len__(self) -> int:
        return len(self._by_peer)

    def __contains__(self, peer: str) -> bool:
        return peer in self._by_peer

    def add(self, peer: str, namespace: str = "") -> asyncio.Future[None]:
        """A future that is done when it is this peer's turn, and this namespace's within it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_peer.setdefault(peer, {}).setdefault(namespace, deque()).append(future)
        return future

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._by_peer))

    def grant(self) -> str | None:
        """Give the first peer a turn, and put it behind the others; its address, or None where nothing waits."""
        while self._by_peer:
            peer = next(iter(self._by_peer))
            if self.grant_to(peer):
                return peer
        return None

    def grant_to(self, peer: str) -> bool:
        """Give this peer a turn, and put it behind the others; False: what waited for it was given up meanwhile, and maybe more waits."""
        by_namespace = self._by_peer.pop(peer)
        namespace = next(iter(by_namespace))
        futures = by_namespace.pop(namespace)
        future = futures.popleft()
        if futures:
            by_namespace[namespace] = futures
        if by_namespace:
            self._by_peer[peer] = by_namespace
        if future.done():
            return False
        future.set_result(None)
        return True


class Turns:
    """One piece of work at a time, with a pause after each.

    Where time may be owed, pieces that come after a quiet time follow one another without a pause, each in a turn of the event loop of its
    own, until they owe so much. From then on each waits for its pause, so over a longer time they take no larger share than without. This
    is the Generic Cell Rate Algorithm (ITU-T I.371, annex A); its increment is the work with its pause.
    """

    def __init__(self, pause_seconds: float, pause_after: Callable[[float], float] = lambda _work: 0.0, owed_seconds: float = 0.0) -> None:
        """Nothing waits yet.

        Args:
            pause_seconds: The least pause, from the beginning of a turn.
            pause_after: The pause after work of a known duration, both in seconds.
            owed_seconds: The time that may be owed, of work and of pauses.

        """
        self._pause_seconds, self._pause_after, self._owed_seconds = pause_seconds, pause_after, owed_seconds
        self._waiting = _Waiting()
        self._pause: asyncio.TimerHandle | None = None
        self._ends = self._ended = 0.0
        """When nothing is owed any more, with the present turn and without it, in the time of the loop."""

    async def next(self, peer: str, namespace: str = "") -> None:
        """Wait for a turn of this peer; ``namespace``: for which it works."""
        if self._pause is None:
            self._begin()
        else:
            await self._waiting.add(peer, namespace)

    def took(self, seconds: float) -> None:
        """The work of the present turn took this long."""
        self._rest(seconds, min(max(self._pause_seconds, self._pause_after(seconds)), MAX_PAUSE_SECONDS))

    def _begin(self) -> None:
        """A turn begins. Until its duration is known it has the least pause."""
        self._ended = self._ends
        self._rest(0.0, self._pause_seconds)

    def _rest(self, worked: float, pause: float) -> None:
        loop = asyncio.get_running_loop()
        if self._pause is not None:
            self._pause.cancel()
        self._ends = max(loop.time(), self._ended + worked) + pause
        self._pause = loop.call_at(self._ends - self._owed_seconds, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None
        if self._waiting.grant() is not None:
            self._begin()


class Shares:
    """One piece of work of each peer in one turn of the event loop, as long as there is more than one peer.

    A peer whose piece took long is slow for a while. In one turn one slow peer at most has its share, so that the others, such as an API
    server, wait for one long piece and not for as many as there are slow peers.
    """

    def __init__(self, count_peers: Callable[[], int]) -> None:
        """``count_peers`` returns how many peers there are now."""
        self._count_peers = count_peers
        self._waiting = _Waiting()
        self._served: set[str] = set()
        self._slow_until: dict[str, float] = {}
        self._has_served_slow = False

    async def next(self, peer: str) -> None:
        """Wait for this peer's share."""
        if not self.takes(peer):
            await self.wait(peer)

    def takes(self, peer: str) -> bool:
        """Take this peer's share of the present turn; whether there still was one."""
        if self._count_peers() < 2 and not self._waiting:  # noqa: PLR2004 - nobody to wait for
            return True
        if peer in self._served or peer in self._waiting:
            return False
        if self._is_slow(peer) and (self._has_served_slow or any(map(self._is_slow, self._waiting))):
            return False
        self._serve(peer)
        return True

    def wait(self, peer: str) -> asyncio.Future[None]:
        """A future that is done when it is this peer's share; cancel it to give the share up."""
        return self._waiting.add(peer)

    def took(self, peer: str, seconds: float) -> None:
        """A piece of this peer took so much of the processor's time."""
        if seconds > LONG_SECONDS:
            if len(self._slow_until) >= MOST_SLOW:
                self._slow_until.clear()
            self._slow_until[peer] = asyncio.get_running_loop().time() + seconds * SLOW_FACTOR

    def _is_slow(self, peer: str) -> bool:
        until = self._slow_until.get(peer)
        if until is None:
            return False
        if asyncio.get_running_loop().time() < until:
            return True
        del self._slow_until[peer]
        return False

    def _serve(self, peer: str) -> None:
        if not self._served:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._served.add(peer)
        self._has_served_slow = self._has_served_slow or self._is_slow(peer)

    def _begin_turn(self) -> None:
        """Begin a new turn of the event loop: those that wait come first."""
        self._served = set()
        self._has_served_slow = False
        for peer in self._waiting:
            if not (self._has_served_slow and self._is_slow(peer)):
                self._grant(peer)

    def _grant(self, peer: str) -> None:
        while peer in self._waiting:
            if self._waiting.grant_to(peer):
                self._serve(peer)
                return
