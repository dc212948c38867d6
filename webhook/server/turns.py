"""Turns: the work of each peer address waits for its own, and not for that of the others.

The service runs in one thread, so a review waits for whatever that thread is doing. Two kinds of work are divided:

* Large work, such as a part of a large body, its review, or a TLS handshake, is done one piece at a time, with a pause after each
  (`Turns`). In the pauses everything small runs.
* Small work, which is to read from a connection and to review a small body, alternates between several peers (`Shares`): in one turn of
  the event loop each peer has one piece of each kind. A peer that is alone never waits.

Peers take turns by address. So an API server waits for one piece of each other peer's work at most, however many connections those open.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_BYTES: Final = 64 * 1024
"""A body from this size on is large. A task pod's review has some 20 KB."""

MAX_PAUSE_SECONDS: Final = 3.0
"""Whatever the work took: what waits behind it shall have its turn before its client gives up."""


class _Waiting:
    """What waits, by peer; the peer whose turn is next comes first."""

    def __init__(self) -> None:
        self._by_peer: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._by_peer)

    def __contains__(self, peer: str) -> bool:
        return peer in self._by_peer

    def add(self, peer: str) -> asyncio.Future[None]:
        """A future that is done when it is this peer's turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_peer.setdefault(peer, deque()).append(future)
        return future

    def grant(self) -> str | None:
        """Give the first peer a turn, and put it behind the others; its address, or None where nothing waits."""
        while self._by_peer:
            peer = next(iter(self._by_peer))
            futures = self._by_peer.pop(peer)
            future = futures.popleft()
            if futures:
                self._by_peer[peer] = futures
            # Its request may have been given up meanwhile.
            if not future.done():
                future.set_result(None)
                return peer
        return None


class Turns:
    """One piece of work at a time, with a pause after each."""

    def __init__(self, pause_seconds: float, pause_factor: float = 0.0) -> None:
        """Nothing waits yet.

        Args:
            pause_seconds: The least time from one turn to the next.
            pause_factor: The pause after work whose duration is known, as a multiple of that duration.

        """
        self._pause_seconds, self._pause_factor = pause_seconds, pause_factor
        self._waiting = _Waiting()
        self._pause: asyncio.TimerHandle | None = None

    async def next(self, peer: str) -> None:
        """Wait for a turn of this peer."""
        if self._pause is None:
            self._rest(self._pause_seconds)
        else:
            await self._waiting.add(peer)

    def took(self, seconds: float) -> None:
        """The work of the present turn took this long."""
        self._rest(min(max(self._pause_seconds, seconds * self._pause_factor), MAX_PAUSE_SECONDS))

    def _rest(self, seconds: float) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(seconds, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None
        if self._waiting.grant() is not None:
            self._rest(self._pause_seconds)


class Shares:
    """One piece of work of each peer in one turn of the event loop, as long as there is more than one peer."""

    def __init__(self, count_peers: Callable[[], int]) -> None:
        """``count_peers`` returns how many peers there are now."""
        self._count_peers = count_peers
        self._waiting = _Waiting()
        self._served: set[str] = set()

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
        self._serve(peer)
        return True

    def wait(self, peer: str) -> asyncio.Future[None]:
        """A future that is done when it is this peer's share; cancel it to give the share up."""
        return self._waiting.add(peer)

    def _serve(self, peer: str) -> None:
        if not self._served:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._served.add(peer)

    def _begin_turn(self) -> None:
        """Begin a new turn of the event loop: those that wait come first."""
        self._served = set()
        for _ in range(len(self._waiting)):
            peer = self._waiting.grant()
            if peer is None:
                return
            self._serve(peer)
