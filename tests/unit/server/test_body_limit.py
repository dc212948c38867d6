"""Bodies that wait for their turn: what a refusal costs the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from webhook.server import body_limit
from webhook.server.body_limit import LARGE_BYTES, UNREAD_BYTES, BodyLimit, BodyLimits
from webhook.server.protocol import ABORT, IS_UNREAD

if TYPE_CHECKING:
    import pytest
    from starlette.types import Message, Receive, Scope, Send

ONE_MIB: Final = 1024 * 1024
LIMITS: Final = BodyLimits(max_bytes=4 * ONE_MIB, max_buffered_bytes=32 * ONE_MIB, read_seconds=5.0)
SLOW: Final = b"," * (LARGE_BYTES + 1)
REVIEW_SECONDS: Final = 0.005


async def _reviewing(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that works for some milliseconds on a large body."""
    body = (await receive())["body"]
    ends = time.thread_time() + REVIEW_SECONDS
    while len(body) > LARGE_BYTES and time.thread_time() < ends:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reviewed"})


def _limit(*, peers: int = 2) -> BodyLimit:
    return BodyLimit(_reviewing, LIMITS, lambda _status, _problem: None, lambda: peers)


async def _status_of(limit: BodyLimit, peer: str, body: bytes, may_read: asyncio.Event | None = None) -> int:
    """The status of the response; 0: its connection was closed. ``may_read``: until then its client does not read it."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if may_read is not None:
            await may_read.wait()
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    extensions = {ABORT: {"call": lambda: statuses.insert(0, 0)}, IS_UNREAD: {"call": lambda: may_read is not None}}
    await limit({"type": "http", "headers": [], "client": (peer, 1), "extensions": extensions}, receive, send)
    return statuses[0]


def test_a_slow_review_that_is_refused_does_not_end_the_pause_after_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "WAIT_SECONDS", 2 * REVIEW_SECONDS)

    async def scenario() -> None:
        limit = _limit()
        statuses = await asyncio.gather(*(_status_of(limit, "10.0.0.1", SLOW) for _ in range(20)))
        assert Counter(statuses) == {200: 1, 503: 19}, "the pause after the first is 49 times as long as its review"
        assert await _status_of(limit, "10.0.0.2", SLOW) == 503, "also for whoever comes next"

    asyncio.run(scenario())


def test_small_bodies_that_wait_for_their_share_are_refused_where_all_are_too_large_and_no_smaller_one_is() -> None:
    async def scenario() -> None:
        limit = _limit()
        hostile = [_status_of(limit, "10.0.0.1", b" " * LARGE_BYTES) for _ in range(600)]
        *statuses, honest = await asyncio.gather(*hostile, _status_of(limit, "10.0.0.2", b" " * 20_000))
        assert honest == 200
        assert set(statuses) == {200, 503}
        assert limit.buffered == limit.in_flight == 0

    asyncio.run(scenario())


def test_of_small_responses_that_wait_since_nobody_reads_as_many_wait_as_the_buffer_has_room_for() -> None:
    async def scenario() -> None:
        limit, may_read, room = _limit(peers=1), asyncio.Event(), LIMITS.max_buffered_bytes // UNREAD_BYTES
        hostile = [asyncio.create_task(_status_of(limit, "10.0.0.1", b" ", may_read)) for _ in range(2 * room)]
        while limit.in_flight != room - 1:
            await asyncio.wait([task for task in hostile if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        assert await _status_of(limit, "10.0.0.2", b" ") == 200
        may_read.set()
        assert Counter(await asyncio.gather(*hostile)) == {200: room - 1, 0: room + 1}
        assert limit.buffered == 0

    asyncio.run(scenario())
