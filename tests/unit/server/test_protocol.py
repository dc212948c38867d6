"""One connection: what is read of it, and what is written to it."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import uvicorn
from uvicorn.server import ServerState

from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.deadlines import Deadlines
from webhook.server.protocol import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    MAX_TARGET_BYTES,
    USUAL_FIELDS,
    BoundedProtocol,
    ProtocolDeadlines,
)
from webhook.server.shared_read_buffer import SharedReadBuffer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

HEAD: Final = b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"
REQUEST: Final = b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
LONG_SECONDS: Final = 60.0
EMOJI: Final = b"%F0%9F%98%80"


class _Transport(asyncio.Transport):
    """Remembers what is written, and whether it is read, closed or aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.written: list[bytes] = []
        self.end = ""
        self.was_written = asyncio.Semaphore(0)
        self.has_ended = asyncio.Event()
        self.when_full: Callable[[], None] | None = None

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.was_written.release()
        if self.when_full is not None:
            self.when_full()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It has no buffer."""

    def is_closing(self) -> bool:
        return bool(self.end)

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = "aborted"
        self.has_ended.set()


class _Reviews:
    """An application whose responses wait until they may be sent."""

    def __init__(self, body: bytes = b"reviewed") -> None:
        self.has_begun, self.may_answer = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.has_ended = asyncio.Semaphore(0)
        self.bodies: list[bytes] = []
        self._body = body

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        self.has_begun.release()
        await self.may_answer.acquire()
        length = str(len(self._body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": self._body})
        self.has_ended.release()

    async def answer(self) -> None:
        """Let one response be sent."""
        self.may_answer.release()
        await self.has_ended.acquire()


class _Port:
    """A port with one address, and the deadlines of its connections."""

    def __init__(self, app: ASGIApp, *, read_seconds: float = LONG_SECONDS, unread: int = 8, max_buffered_bytes: int = 1000_000) -> None:
        self.connections = Connections(ConnectionLimits(8, 8, unread, 1000_000), lambda: None)
        self.bodies = BufferedBodies(max_buffered_bytes)
        self.deadlines = ProtocolDeadlines(Deadlines(read_seconds), Deadlines(LONG_SECONDS))
        self._config = uvicorn.Config(app, lifespan="off", log_config=None)
        self._config.load()

    def connect(self) -> tuple[BoundedProtocol, _Transport]:
        """A new connection."""
        connection = self.connections.add("10.0.0.1")
        assert connection is not None
        state = ServerState()
        state.default_headers = []
        uvicorns = {"config": self._config, "server_state": state, "app_state": {}}
        protocol = BoundedProtocol(self.connections, connection, self.bodies, self.deadlines, lambda: None, **uvicorns)
        transport = _Transport()
        protocol.connection_made(transport)
        return protocol, transport


@asynccontextmanager
async def _connected(app: ASGIApp, *, read_seconds: float = LONG_SECONDS) -> AsyncIterator[tuple[BoundedProtocol, _Transport]]:
    protocol, transport = _Port(app, read_seconds=read_seconds).connect()
    yield protocol, transport
    protocol.connection_lost(None)


def test_nothing_is_read_as_long_as_a_request_waits_behind_another_one() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(REQUEST * 3)
            reads = []
            for _ in range(3):
                await app.has_begun.acquire()
                reads.append(transport.is_read)
                await app.answer()
            assert reads == [False, False, True], "the last one has none behind it"

    asyncio.run(scenario())


def test_the_head_of_a_response_is_written_with_its_body() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(REQUEST)
            await app.answer()
            assert transport.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nreviewed"]

    asyncio.run(scenario())


def test_the_response_to_head_is_written_though_it_has_no_body() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            await app.answer()
            assert b"".join(transport.written) == b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n"

    asyncio.run(scenario())


def test_a_response_that_closes_its_connection_is_written_before_it() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            await app.answer()
            assert (len(transport.written), transport.end) == (1, "closed")

    asyncio.run(scenario())


def test_a_continue_is_written_at_once() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(REQUEST[:-3].replace(b"Host", b"Expect: 100-continue\r\nHost"))
            await transport.was_written.acquire()
            assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
            protocol.data_received(b"abc")
            await app.answer()
            assert transport.written[1].endswith(b"\r\n\r\nreviewed")

    asyncio.run(scenario())


@pytest.mark.parametrize("before", [b"", REQUEST], ids=["first", "behind another one"])
def test_bodies_count_from_when_they_are_read_also_before_their_requests_are_served(before: bytes) -> None:
    async def scenario() -> None:
        app = _Reviews()
        limit = BodyLimit(app, BodyLimits(100_000, LONG_SECONDS, LONG_SECONDS), lambda _status, _problem: None)
        port = _Port(limit, max_buffered_bytes=200_000)
        opened = [port.connect() for _ in range(8)]
        for protocol, _transport in opened:
            protocol.data_received(before + HEAD + b"x" * 60_000)
        stored = [len(protocol.cycle.body) for protocol, _transport in opened]
        assert sorted(stored) == [0] * 5 + [60_000] * 3
        for _ in range(len(opened) * bool(before)):
            await app.answer()
        for (_protocol, transport), size in zip(opened, stored, strict=True):
            for _ in range(bool(before) + (not size)):
                await transport.was_written.acquire()
            assert (b" 503 " in b"".join(transport.written), transport.end) == ((False, "") if size else (True, "closed"))
        for protocol, _transport in opened:
            protocol.connection_lost(None)
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        assert port.bodies.size == limit.in_flight == 0

    asyncio.run(scenario())


async def _unread(app: _Reviews, protocol: BoundedProtocol, transport: _Transport) -> None:
    """Send two requests, and read nothing of the response to the first."""
    protocol.data_received(REQUEST * 2)
    await app.has_begun.acquire()
    transport.when_full = protocol.pause_writing
    await app.answer()


def test_behind_a_response_that_is_not_read_no_request_is_reviewed_and_nothing_is_read() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            await _unread(app, protocol, transport)
            await asyncio.sleep(0)
            assert (len(app.bodies), transport.is_read) == (1, False)
            protocol.resume_writing()
            await app.has_begun.acquire()
            assert (len(app.bodies), transport.is_read) == (2, True)

    asyncio.run(scenario())


def test_a_connection_whose_client_does_not_read_is_ended_in_time() -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app, read_seconds=0.05) as (protocol, transport):
            await _unread(app, protocol, transport)
            await transport.has_ended.wait()
            assert (transport.end, len(app.bodies)) == ("aborted", 1)

    asyncio.run(scenario())


def test_of_connections_whose_clients_do_not_read_the_oldest_is_ended_where_there_are_too_many() -> None:
    async def scenario() -> None:
        app = _Reviews()
        port = _Port(app, unread=2)
        opened = [port.connect() for _ in range(4)]
        for protocol, transport in opened[:3]:
            await _unread(app, protocol, transport)
        assert [transport.end for _protocol, transport in opened] == ["aborted", "", "", ""]
        opened[1][0].resume_writing()
        await _unread(app, *opened[3])
        assert [transport.end for _protocol, transport in opened] == ["aborted", "", "", ""]
        for protocol, _transport in opened:
            protocol.connection_lost(None)

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [3, 100, 70_000])
def test_a_body_that_is_read_into_the_shared_buffer_arrives_as_it_is(size: int) -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, _transport):
            reader = SharedReadBuffer(protocol)
            body = bytes(range(256)) * (size // 256 + 1)
            sent = REQUEST.replace(b"3\r\n\r\nabc", b"%d\r\n\r\n" % size) + body[:size]
            while sent:
                buffer = reader.get_buffer(-1)
                part = sent[: min(len(buffer), 5000)]
                buffer[: len(part)] = part
                reader.buffer_updated(len(part))
                sent = sent[len(part) :]
                buffer[: len(part)] = b"\0" * len(part)
            await app.answer()
            assert app.bodies == [body[:size]]

    asyncio.run(scenario())


def _head(target: bytes = b"/", fields: bytes = b"", more: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + more


def _fields(count: int, size: int) -> bytes:
    """So many fields, each with so many bytes of name and value."""
    return b"".join(b"x-%02d: " % number + b"y" * (size - 4) + b"\r\n" for number in range(count))


TOO_LARGE_HEADS: Final = {
    "a target": _head(b"/" + b"a" * MAX_TARGET_BYTES),
    "a query": _head(b"/?" + b"a" * MAX_TARGET_BYTES),
    "one field": _head(fields=_fields(1, MAX_HEAD_BYTES)),
    "several fields": _head(fields=_fields(16, MAX_HEAD_BYTES // 16)),
    "many fields": _head(fields=_fields(MAX_FIELDS, 4)),
    "many requests": _head() * (MAX_PIPELINED + 2),
}


@pytest.mark.parametrize("head", TOO_LARGE_HEADS.values(), ids=TOO_LARGE_HEADS.keys())
def test_a_head_that_is_too_large_ends_its_connection_also_where_it_is_read_at_once(head: bytes) -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            protocol.data_received(head)
            assert transport.end == "aborted"

    asyncio.run(scenario())


LARGEST_TARGET: Final = b"/" + b"a" * (MAX_TARGET_BYTES - len(EMOJI) - 1) + EMOJI

LARGEST_HEADS: Final = {
    "a target": _head(LARGEST_TARGET),
    "fields": _head(fields=_fields(MAX_FIELDS - 1, MAX_HEAD_BYTES // MAX_FIELDS)),
    "a body that stops": _head(LARGEST_TARGET, _fields(MAX_FIELDS - 2, MAX_HEAD_BYTES // MAX_FIELDS) + b"Content-Length: 9\r\n", b"x"),
    "requests that wait": _head(LARGEST_TARGET, _fields(MAX_FIELDS - 1, 6)) * (MAX_PIPELINED + 1),
}


def test_nothing_of_a_head_is_left_when_its_request_is_answered() -> None:
    async def scenario() -> None:
        app = _Reviews()
        limit = BodyLimit(app, BodyLimits(1000, LONG_SECONDS, LONG_SECONDS), lambda _status, _problem: None)
        request = _head(LARGEST_TARGET, _fields(MAX_FIELDS - 2, 200) + b"Content-Length: 3\r\n", b"abc")
        async with _connected(limit) as (protocol, _transport):

            async def answer() -> int:
                await app.answer()
                await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
                return tracemalloc.get_traced_memory()[0]

            tracemalloc.start()
            try:
                protocol.data_received(request)
                before = await answer()
                protocol.data_received(request)
                stored = tracemalloc.get_traced_memory()[0] - before
                left = await answer() - before
            finally:
                tracemalloc.stop()
            assert stored > 16 * 1024
            assert left < 1024

    asyncio.run(scenario())


@pytest.mark.parametrize("end", [b"", b"Content-Length: 9\r\n\r\n"], ids=["a head that stops", "a body that stops"])
def test_large_heads_count_with_the_bodies_and_are_free_when_these_are_dropped(end: bytes) -> None:
    async def scenario() -> None:
        app = _Reviews()
        limit = BodyLimit(app, BodyLimits(1000, LONG_SECONDS, LONG_SECONDS), lambda _status, _problem: None)
        port = _Port(limit, max_buffered_bytes=60_000)
        opened = [port.connect() for _ in range(6)]
        for protocol, _transport in opened:
            protocol.data_received(_head(fields=_fields(MAX_FIELDS - 2, 250)).removesuffix(b"\r\n") + end)
            await asyncio.sleep(0)
        assert 40_000 < port.bodies.size <= 60_000
        displaced = [(protocol, transport) for protocol, transport in opened if not protocol.headers]
        assert len(displaced) == 3
        for _protocol, transport in displaced if end else ():
            await transport.was_written.acquire()
        for _protocol, transport in displaced:
            assert (b" 503 " in b"".join(transport.written), transport.end) == ((True, "closed") if end else (False, "aborted"))
        for protocol, _transport in opened:
            protocol.connection_lost(None)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others)
        assert port.bodies.size == limit.in_flight == 0

    asyncio.run(scenario())


def test_the_head_of_an_api_server_does_not_count() -> None:
    async def scenario() -> None:
        port = _Port(_Reviews())
        protocol, _transport = port.connect()
        protocol.data_received(_head(fields=_fields(USUAL_FIELDS - 2, 250) + b"Content-Length: 9\r\n"))
        assert port.bodies.size == 0
        protocol.connection_lost(None)

    asyncio.run(scenario())


@pytest.mark.parametrize("head", LARGEST_HEADS.values(), ids=LARGEST_HEADS.keys())
def test_the_heads_of_a_thousand_connections_take_less_than_a_hundred_mebibytes(head: bytes) -> None:
    async def scenario() -> None:
        app = _Reviews()
        async with _connected(app) as (protocol, transport):
            await asyncio.sleep(0)
            tracemalloc.start()
            try:
                protocol.data_received(head)
                taken, _peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert transport.end == ""
            assert taken < 100 * 1024, "of one"

    asyncio.run(scenario())
