"""What a connection leaves behind, over real TLS: nothing that waits for the garbage collector, which may take minutes.

The buffers of a connection have 100 KiB and more, so waves of connections would add up. Objects are counted, not bytes.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from tests.service.running_service import NAMES, Certificates, eventually, read_reply, request_bytes
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.deadlines import Deadlines
from webhook.server.listener import Listener
from webhook.server.protocol import BoundedProtocol, ProtocolDeadlines
from webhook.server.tls_records import READ_BYTES, TlsRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from webhook.server.connections import OpenConnection

POOL: Final = 4
SECONDS: Final = 60.0
LONGER_SECONDS: Final = 600.0
"""A deadline that is not stopped holds its connection beyond the end of the test."""

UNREAD: Final = 1
"""Connections that read no response, of which there may be one."""

BODY: Final = b"y" * 20_000
SMALL_PART: Final = b"x" * 1000
"""In a TLS record of its own, so that little of one that is incomplete is read."""

RESET: Final = b"\1\0\0\0\0\0\0\0"
"""With linger 0 a close is a reset."""


async def _reviewing(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(BODY)).encode())]})
    await send({"type": "http.response.body", "body": BODY})


async def _receiving_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


class _WatchedPort:
    """A port of the service in this process. It notes each protocol without holding it."""

    def __init__(self, certificates: Certificates, app: ASGIApp) -> None:
        self.protocols: list[weakref.ref[BoundedProtocol]] = []
        self._connections = Connections(ConnectionLimits(64, 64, UNREAD, 64 * len(BODY)), lambda: None)
        self._bodies = BufferedBodies(64 * len(BODY))
        self._deadlines = ProtocolDeadlines(Deadlines(LONGER_SECONDS), Deadlines(LONGER_SECONDS))
        self._config = uvicorn.Config(app, lifespan="off", log_config=None)
        self._config.load()
        self._state = ServerState()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate_file, certificates.private_key_file)
        self._listener = Listener(self._connections, self._make_protocol, SECONDS, lambda: context)

    def start(self, bound: socket.socket) -> None:
        """Listen."""
        self._listener.start(bound)

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def holds_nothing(self) -> bool:
        """Whether all its connections have ended, and their protocols and TLS objects are free. The clients' TLS objects are of another type."""
        has_protocols = any(one() is not None for one in self.protocols)
        return not (len(self._connections) or has_protocols or any(isinstance(one, ssl.SSLObject) for one in gc.get_objects()))

    def _make_protocol(self, connection: OpenConnection) -> BoundedProtocol:
        arguments = {"config": self._config, "server_state": self._state, "app_state": {}}
        protocol = BoundedProtocol(self._connections, connection, self._bodies, self._deadlines, lambda: None, **arguments)
        self.protocols.append(weakref.ref(protocol))
        return protocol


def _say_nothing(_stream: ssl.SSLSocket) -> None:
    pass


def _review(stream: ssl.SSLSocket) -> None:
    for _ in range(2):
        stream.sendall(request_bytes(b"{}"))
        assert read_reply(stream).status == 200


def _review_and_reset(stream: ssl.SSLSocket) -> None:
    _review(stream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _review_and_unwrap(stream: ssl.SSLSocket) -> None:
    _review(stream)
    stream.unwrap()


def _read_nothing(stream: ssl.SSLSocket) -> None:
    stream.settimeout(0.2)
    with suppress(OSError):
        stream.sendall(request_bytes(BODY) * 200)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("use", [_say_nothing, _review, _review_and_reset, _review_and_unwrap, _read_nothing])
def test_an_ended_connection_is_free_at_once(tmp_path: Path, use: Callable[[ssl.SSLSocket], None]) -> None:
    certificates = Certificates(tmp_path)
    trusting = certificates.client_context()

    def come_and_go(port: int) -> None:
        pool = []
        for _ in range(POOL):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(SECONDS)
            connection.connect(("127.0.0.1", port))
            pool.append(trusting.wrap_socket(connection, server_hostname=NAMES[0]))
            use(pool[-1])
        for stream in pool:
            stream.close()

    async def scenario() -> None:
        port = _WatchedPort(certificates, _reviewing)
        with socket.create_server(("127.0.0.1", 0)) as bound, _without_garbage_collection():
            port.start(bound)
            await asyncio.to_thread(come_and_go, bound.getsockname()[1])
            assert len(port.protocols) == POOL
            assert await asyncio.to_thread(eventually, port.holds_nothing, SECONDS)
            port.close()

    uvloop.run(scenario())


def test_of_a_body_that_the_application_does_not_receive_one_part_more_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = Certificates(tmp_path)
    trusting = certificates.client_context()
    reads: list[int] = []
    buffer_updated = TlsRecords.buffer_updated

    def note(records: TlsRecords, nbytes: int) -> None:
        reads.append(nbytes)
        buffer_updated(records, nbytes)

    monkeypatch.setattr(TlsRecords, "buffer_updated", note)

    def send_more_than_is_read(port: int) -> None:
        with trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), SECONDS), server_hostname=NAMES[0]) as stream:
            stream.sendall(request_bytes(b"").replace(b"Content-Length: 0", b"Content-Length: 4000000"))
            while sum(reads) <= HIGH_WATER_LIMIT:
                stream.send(SMALL_PART)
            stream.settimeout(0.2)
            with suppress(OSError):
                for _ in range(4000):
                    stream.send(SMALL_PART)

    async def scenario() -> None:
        port = _WatchedPort(certificates, _receiving_nothing)
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port.start(bound)
            await asyncio.to_thread(send_more_than_is_read, bound.getsockname()[1])
            port.close()

    uvloop.run(scenario())
    assert max(reads) <= READ_BYTES
    most = HIGH_WATER_LIMIT + 2 * READ_BYTES
    assert sum(reads) < most * 1.05, "the part that reached the limit, and one more; the rest is TLS's own bytes and a record's beginning"
