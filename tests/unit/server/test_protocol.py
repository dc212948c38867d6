"""Requests that are pipelined: how much of them is read before their turn comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.server import ServerState

from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.deadlines import Deadlines
from webhook.server.protocol import BoundedProtocol, ProtocolDeadlines

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

REQUEST: Final = b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"


class _Transport(asyncio.Transport):
    """Remembers whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody reads it."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It has no buffer."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """It stays open until the test ends it."""


def test_nothing_is_read_as_long_as_a_request_waits_behind_another_one() -> None:
    async def scenario() -> None:
        has_begun, may_answer = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            has_begun.release()
            await may_answer.acquire()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        connections = Connections(ConnectionLimits(1, 1, 1), lambda: None)
        connection = connections.add("10.0.0.1")
        assert connection is not None
        deadlines = ProtocolDeadlines(Deadlines(5.0), Deadlines(100.0))
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        protocol = BoundedProtocol(connections, connection, deadlines, config=config, server_state=ServerState(), app_state={})
        transport = _Transport()
        protocol.connection_made(transport)
        protocol.data_received(REQUEST * 3)
        reads = []
        for _ in range(3):
            await has_begun.acquire()
            reads.append(transport.is_read)
            may_answer.release()
        assert reads == [False, False, True], "the last one has none behind it"
        protocol.connection_lost(None)

    asyncio.run(scenario())
