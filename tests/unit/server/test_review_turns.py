"""Bodies that wait for their turn: who waits, and what a refusal costs the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.buffered import counted
from webhook.server import review_turns, turns
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.review_turns import ReviewTurns
from webhook.server.turns import LARGE_BYTES, LONG_SECONDS

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

ONE_MIB: Final = 1024 * 1024
LIMITS: Final = BodyLimits(max_bytes=4 * ONE_MIB, read_seconds=600, review_seconds=600)
SLOW: Final = b"," * (LARGE_BYTES + 1)
REVIEW_SECONDS: Final = 0.05


@pytest.fixture(autouse=True)
def _long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after a slow review does not end within a test."""
    monkeypatch.setattr(review_turns, "SLOW_PAUSE_FACTOR", 600 / REVIEW_SECONDS)
    monkeypatch.setattr(turns, "MAX_PAUSE_SECONDS", 600)


async def _reviewing(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that works for some milliseconds on a large body."""
    body = (await receive())["body"]
    ends = time.thread_time() + REVIEW_SECONDS
    while len(body) > LARGE_BYTES and time.thread_time() < ends:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reviewed"})


def _limit() -> BodyLimit:
    return BodyLimit(ReviewTurns(_reviewing, lambda: 2), LIMITS, lambda _status, _problem: None)


async def _status_of(limit: BodyLimit, bodies: BufferedBodies, peer: str, body: bytes) -> int:
    """The status of the response."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope, receive_counted = counted(bodies, {"type": "http", "headers": [], "client": (peer, 1)}, receive, peer)
    await limit(scope, receive_counted, send)
    return statuses[0]


def test_a_slow_review_that_is_refused_does_not_end_the_pause_after_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_turns, "WAIT_SECONDS", 2 * REVIEW_SECONDS)

    async def scenario() -> None:
        limit, bodies = _limit(), BufferedBodies(32 * ONE_MIB)
        statuses = await asyncio.gather(*(_status_of(limit, bodies, "10.0.0.1", SLOW) for _ in range(20)))
        assert Counter(statuses) == {200: 1, 503: 19}, "the others meet the pause after the first"
        assert await _status_of(limit, bodies, "10.0.0.2", SLOW) == 503, "also for whoever comes next"
        assert bodies.size == limit.in_flight == 0

    asyncio.run(scenario())


def test_small_bodies_that_wait_for_their_share_are_refused_where_all_are_too_large_and_no_smaller_one_is() -> None:
    async def scenario() -> None:
        limit, bodies = _limit(), BufferedBodies(32 * ONE_MIB)
        hostile = [_status_of(limit, bodies, "10.0.0.1", b" " * LARGE_BYTES) for _ in range(600)]
        *statuses, honest = await asyncio.gather(*hostile, _status_of(limit, bodies, "10.0.0.2", b" " * 20_000))
        assert honest == 200
        assert set(statuses) == {200, 503}
        assert bodies.size == limit.in_flight == 0

    asyncio.run(scenario())


def test_a_small_body_does_not_wait_for_the_turns_of_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_turns, "WAIT_SECONDS", 600)

    async def scenario() -> None:
        limit, bodies = _limit(), BufferedBodies(32 * ONE_MIB)
        assert await _status_of(limit, bodies, "10.0.0.1", SLOW) == 200
        slow = asyncio.create_task(_status_of(limit, bodies, "10.0.0.1", SLOW))
        await asyncio.sleep(0)
        assert await _status_of(limit, bodies, "10.0.0.1", b" ") == 200
        assert not slow.done()
        slow.cancel()

    asyncio.run(scenario())


def test_of_small_reviews_that_take_long_one_is_done_in_a_turn_of_the_event_loop_from_however_many_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SLOW_FACTOR", 600 / LONG_SECONDS)
    turn, in_turns = 0, list[int]()

    def count_turn() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count_turn)

    async def review(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        in_turns.append(turn)
        ends = time.thread_time() + 2 * LONG_SECONDS
        while time.thread_time() < ends:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"reviewed"})

    async def scenario() -> None:
        limit, bodies = BodyLimit(ReviewTurns(review, lambda: 9), LIMITS, lambda _status, _problem: None), BufferedBodies(ONE_MIB)
        count_turn()
        await asyncio.gather(*(_status_of(limit, bodies, f"10.0.0.{number % 8}", b" ") for number in range(40)))
        assert max(Counter(in_turns[:8]).values()) == 8, "nothing is known of them"
        assert max(Counter(in_turns[8:]).values()) == 1

    asyncio.run(scenario())
