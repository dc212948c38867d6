"""Deadlines: each expires once, in time, and none that was stopped."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

from webhook.server.deadlines import AT_ONCE, Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SECONDS = 0.02


class DeadlineOwner:
    """Notes when its deadline has expired, and may start another one then."""

    def __init__(self, *, deadlines: Deadlines | None = None) -> None:
        self.expired_at: list[float] = []
        self._deadlines = deadlines
        self._expired = asyncio.Semaphore(0)

    def expire(self) -> None:
        self.expired_at.append(asyncio.get_running_loop().time())
        self._expired.release()
        if self._deadlines is not None and len(self.expired_at) == 1:
            self._deadlines.start(self)

    async def has_expired(self) -> None:
        """Wait until it has, once more."""
        await asyncio.wait_for(self._expired.acquire(), 60)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a loop of its own."""
    asyncio.run(scenario())


def test_a_deadline_expires_once_and_not_before_its_time() -> None:
    async def scenario() -> None:
        deadlines, owner, last = Deadlines(SECONDS), DeadlineOwner(), DeadlineOwner()
        began = asyncio.get_running_loop().time()
        deadlines.start(owner)
        await owner.has_expired()
        deadlines.start(last)
        await last.has_expired()
        assert len(owner.expired_at) == 1
        assert owner.expired_at[0] - began >= SECONDS * 0.9
        assert len(deadlines) == 0

    run(scenario)


def test_one_that_is_started_anew_expires_after_one_that_was_started_meanwhile() -> None:
    async def scenario() -> None:
        deadlines, first, second = Deadlines(SECONDS), DeadlineOwner(), DeadlineOwner()
        deadlines.start(first)
        deadlines.start(second)
        deadlines.start(first)
        await first.has_expired()
        assert second.expired_at
        assert len(first.expired_at) == 1

    run(scenario)


def test_one_that_was_stopped_never_expires_and_holds_nothing() -> None:
    async def scenario() -> None:
        deadlines, stopped, last = Deadlines(SECONDS), DeadlineOwner(), DeadlineOwner()
        deadlines.start(stopped)
        assert stopped in deadlines
        deadlines.stop(stopped)
        deadlines.stop(stopped)
        assert stopped not in deadlines
        deadlines.start(last)
        await last.has_expired()
        assert not stopped.expired_at

    run(scenario)


def test_one_that_is_started_when_another_expires_expires_as_well() -> None:
    async def scenario() -> None:
        deadlines = Deadlines(SECONDS)
        owner = DeadlineOwner(deadlines=deadlines)
        deadlines.start(owner)
        await owner.has_expired()
        await owner.has_expired()
        assert len(deadlines) == 0

    run(scenario)


def test_of_those_that_expire_together_a_few_do_so_in_one_turn_of_the_loop() -> None:
    async def scenario() -> None:
        deadlines, owners = Deadlines(0.0), [DeadlineOwner() for _ in range(3 * AT_ONCE)]
        expired: list[int] = []
        for owner in owners:
            deadlines.start(owner)
        while len(deadlines):
            await asyncio.sleep(0)
            expired.append(sum(len(owner.expired_at) for owner in owners))
        assert max(later - earlier for earlier, later in pairwise([0, *expired])) <= AT_ONCE
        assert [len(owner.expired_at) for owner in owners] == [1] * len(owners)

    run(scenario)
