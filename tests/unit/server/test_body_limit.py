"""What is left of a body that was refused."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.buffered import counted
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BUFFERED, BufferedBodies

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

SIZE: Final = 1000


class StoppingClient:
    """A client that sends a part of its body and then nothing, and reads the response."""

    def __init__(self, size: int) -> None:
        """Send so many bytes."""
        self.size = size
        self.statuses: list[int] = []
        self.has_stopped = asyncio.Event()

    async def receive(self) -> Message:
        """The part, then nothing."""
        if not self.size:
            self.has_stopped.set()
            await asyncio.Event().wait()
        part, self.size = b"x" * self.size, 0
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(self, message: Message) -> None:
        """Read the response."""
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])


async def _never_called(_scope: Scope, _receive: Receive, _send: Send) -> None:
    pytest.fail("no body arrives completely")


async def _serve(limit: BodyLimit, bodies: BufferedBodies, size: int, statuses: list[int]) -> weakref.ref[StoppingClient]:
    """Send so many bytes; what is returned is alive as long as anything of the request is."""
    client = StoppingClient(size)
    client.statuses = statuses
    with suppress(asyncio.CancelledError):
        scope, receive = counted(bodies, {"type": "http", "headers": []}, client.receive)
        await limit(scope, receive, client.send)
    return weakref.ref(client)


def test_a_body_that_has_not_arrived_when_the_server_ends_is_503() -> None:
    async def scenario() -> None:
        limit = BodyLimit(_never_called, BodyLimits(SIZE, 60, 60), lambda _status, _problem: None)
        client = StoppingClient(SIZE)
        scope, receive = counted(BufferedBodies(SIZE), {"type": "http", "headers": []}, client.receive)
        task = asyncio.create_task(limit(scope, receive, client.send))
        await client.has_stopped.wait()
        task.cancel()
        await task
        assert client.statuses == [503]

    asyncio.run(scenario())


def test_a_body_that_is_displaced_and_expires_in_the_same_turn_is_refused_once() -> None:
    async def scenario() -> None:
        limit, bodies = BodyLimit(_never_called, BodyLimits(SIZE, 60, 60), lambda _status, _problem: None), BufferedBodies(SIZE)
        client = StoppingClient(SIZE)
        scope, receive = counted(bodies, {"type": "http", "headers": []}, client.receive)
        task = asyncio.create_task(limit(scope, receive, client.send))
        await client.has_stopped.wait()
        body = scope["extensions"][BUFFERED]["body"]
        request = body.when_displaced.__self__
        body.displace()
        request.expire()
        await task
        assert client.statuses == [503]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("limits", "in_all", "sizes", "status"),
    [
        (BodyLimits(SIZE, 60, 60), SIZE, [SIZE, SIZE - 1], 503),
        (BodyLimits(SIZE, 60, 60), 10 * SIZE, [SIZE + 1], 413),
        (BodyLimits(SIZE, 0.01, 60), 10 * SIZE, [SIZE], 408),
    ],
    ids=["too much in all", "too large", "too late"],
)
def test_a_refused_body_is_free_without_the_garbage_collector(limits: BodyLimits, in_all: int, sizes: list[int], status: int) -> None:
    async def scenario() -> None:
        bodies = BufferedBodies(in_all)
        limit, statuses = BodyLimit(_never_called, limits, lambda _status, _problem: None), list[int]()
        tasks = [asyncio.create_task(_serve(limit, bodies, size, statuses)) for size in sizes]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert statuses == [status]
        [refused] = [task.result() for task in done]
        assert refused() is None
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert bodies.size == limit.in_flight == 0

    gc.collect()
    gc.disable()
    try:
        asyncio.run(scenario())
    finally:
        gc.enable()
