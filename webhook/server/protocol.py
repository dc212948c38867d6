"""uvicorn's HTTP protocol, with limits that it lacks: on the head of a request, its framing and its trailers, and on pipelining.

A head is in memory until its request is answered, in many objects. Where it is larger than that of any API server, it counts as a part of
its request's body (`webhook.server.buffered_bodies`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhook.server.buffered_bodies import BUFFERED, BufferedBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sized

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from webhook.server.buffered_bodies import BufferedBodies
    from webhook.server.connections import Connections, OpenConnection
    from webhook.server.deadlines import Deadlines

MAX_HEAD_BYTES: Final = 16 * 1024
"""The API server sends a few hundred bytes of headers, and with tracing a `baggage` of up to 8,192 (https://www.w3.org/TR/baggage/)."""

MAX_FIELDS: Final = 64
"""Headers and trailers of one request. The API server sends about ten. Each takes some 100 bytes more than it has."""

USUAL_FIELDS: Final = 16
USUAL_HEAD_BYTES: Final = 4 * 1024
"""The fields beyond either are counted."""

FIELD_BYTES: Final = 160
"""What a field takes beside its name and its value: the objects of CPython."""

MAX_TARGET_BYTES: Final = 1024
"""Path and query. uvicorn holds the path three times, once as a text, in which one emoji makes four bytes of each character. The API
server's has the path and the timeout."""

MAX_PIPELINED: Final = 4
"""Requests that wait in one connection. Go's client, which the API server uses, sends one at a time."""


WRITE_BUFFER_BYTES: Final = 32 * 1024
"""What uvloop holds of the responses of a connection before the application waits; its default is 512 KiB. An idle connection keeps
buffers of about the largest size that they had."""

READ_BUFFER_BYTES: Final = 1
"""What uvloop's TLS holds of a connection that the protocol does not read before it stops reading: one read (`webhook.server.tls_records`).
0 would start and stop it in turn."""

ABORT: Final = "airflow-sidecar-webhook.abort"
"""The extension of the ASGI scope with a function that closes the connection at once, without sending what waits."""


class ExcessError(Exception):
    """A request has too large a head or trailers, or too many requests wait in one connection, which is closed already.

    The parser stops at it. Otherwise it would go on to the end of the data, which may hold thousands of fields or requests.
    """


class _FlowControl(FlowControl):
    """Reads nothing as long as a request waits in the connection.

    uvicorn reads on with each body that it passes on and with each response, so more and more bodies would wait, which nothing counts.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _JoinedWrites:
    """Writes the head of a response together with its body: one TLS record, one system call and one packet less.

    It is the transport of one request. What is written before the response has begun (100 Continue) is no head.
    """

    __slots__ = ("_cycle", "_head", "_transport", "is_closing", "size")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        # It holds this object, so it is let go as soon as the response has begun: else both would wait for the garbage collector.
        self._cycle: RequestResponseCycle | None = cycle
        self._head = b""
        self.is_closing = transport.is_closing
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write; the head waits for what comes next."""
        self.size += len(data)
        if self._cycle is None or not self._cycle.response_started:
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self.end()
            self._transport.write(self._head + data)
            self._head = b""

    def flush(self) -> None:
        """Write a head that nothing follows: the response to HEAD."""
        if self._head:
            self.write(b"")

    def end(self) -> None:
        """Hold back nothing from here on."""
        self._cycle = None

    def close(self) -> None:
        """Close the connection when everything is written."""
        self.flush()
        self._transport.close()


@dataclass(frozen=True, slots=True)
class ProtocolDeadlines:
    """The deadlines of all connections of one port.

    Args:
        reads: For a head to arrive, and for a response to be read that its client has not read.
        idle: For a request to begin, the first one or the next one after a response.

    """

    reads: Deadlines
    idle: Deadlines


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has a head that exceeds the deadline, the size or the number of fields, or trailers as large.

    It also closes a connection that sends more and more requests without waiting for responses: uvicorn would queue them. The request
    behind a response that its client has not read waits, and nothing more is read.

    A connection is idle from its beginning. Go's client, which the API server uses, opens one for each request that has to wait, and where
    another one becomes free first, keeps the new one unused for a request to come: closed under that, the request would fail, and its pod
    would be missed. uvicorn's own keep-alive timer, one for each response, is not used.
    """

    def __init__(
        self,
        connections: Connections,
        connection: OpenConnection,
        bodies: BufferedBodies,
        deadlines: ProtocolDeadlines,
        malformed: Callable[[], object],
        **uvicorns: Any,
    ) -> None:
        """Expect the first head of this connection.

        Args:
            connections: All those of the port.
            connection: This one.
            bodies: Those of all requests to the port.
            deadlines: Those of all connections of the port.
            malformed: Is called for each request that uvicorn itself answers with 400, since it is no HTTP.
            uvicorns: uvicorn's own arguments.

        """
        super().__init__(**uvicorns)
        self._connections = connections
        self._connection = connection
        self._bodies = bodies
        self._body = BufferedBody(bodies, connection.peer)
        self._malformed = malformed
        self._reads, self._idle = deadlines.reads, deadlines.idle
        self.is_connected = False
        self._answered: RequestResponseCycle | None = None
        self._writes: _JoinedWrites | None = None
        self._is_idle = True
        self._is_unread = False
        self._head_is_open = True
        self._message_is_open = True
        self._bytes_without_body = 0
        self._fields = self._field_bytes = 0
        self._abort: dict[object, object] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the idle time."""
        self.is_connected = True
        self._connection.close = transport.abort
        self._abort = {"call": transport.abort}
        super().connection_made(transport)
        self.flow = _FlowControl(transport, self.pipeline)
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        if self.scheme == "https":
            # Only uvloop's TLS has a buffer for what it reads.
            transport.set_read_buffer_limits(READ_BUFFER_BYTES)  # type: ignore[attr-defined]
        self._idle.start(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines, which would hold what the connection holds, and count it no more."""
        self._connections.remove(self._connection)
        # uvicorn does this for the request that arrived last, which is not the one that is being answered where requests are pipelined.
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        self._reads.stop(self)
        self._idle.stop(self)
        self._is_unread = False
        if self._writes is not None:
            self._writes.end()
        super().connection_lost(exc)
        if self._head_is_open:
            self._body.drop()
        # Requests that are never served hold this protocol, which holds them and the buffers of TLS.
        for cycle, _app in self.pipeline:
            cycle.scope["extensions"][BUFFERED]["body"].drop()  # type: ignore[attr-defined]
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes | memoryview) -> None:
        """Feed the parser, which copies what it passes on; then check the limits of what is incomplete."""
        if self._is_idle:
            # The first byte ends the idle time, even if it is a blank line, which begins no message.
            self._is_idle = False
            self._idle.stop(self)
            self._begin_head()
        self._bytes_without_body += len(data)
        super().data_received(data)  # type: ignore[arg-type]
        if not self._message_is_open:
            return
        if self._bytes_without_body > MAX_HEAD_BYTES:
            self.transport.abort()
        elif self._head_is_open and self not in self._reads:
            self._reads.start(self)

    def on_message_begin(self) -> None:
        """A head starts."""
        super().on_message_begin()
        self._fields = self._field_bytes = 0
        self._body = BufferedBody(self._bodies, self._connection.peer)
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        """A part of the target, or all of it."""
        if len(self.url) + len(url) > MAX_TARGET_BYTES:
            self._refuse()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is ignored: uvicorn would add it to the headers that the application reads."""
        self._fields += 1
        self._field_bytes += len(name) + len(value)
        if self._fields > USUAL_FIELDS or self._field_bytes > USUAL_HEAD_BYTES:
            self._count_field(len(name) + len(value))
        if self._head_is_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_is_open = False
        self._bytes_without_body = 0
        self._reads.stop(self)
        super().on_headers_complete()
        self._body.when_displaced = None
        self.scope["extensions"] = {ABORT: self._abort, BUFFERED: {"body": self._body}}
        if self.pipeline:
            self._connection.is_busy = False
        if len(self.pipeline) > MAX_PIPELINED:
            self._refuse()

    def on_body(self, body: bytes) -> None:
        """A part of a body. What comes after it counts anew: the length of a chunk, or the trailers."""
        self._bytes_without_body = 0
        if not self._body.is_wanted:
            # The rest stays in the kernel until the response.
            self.flow.pause_reading()
            return
        super().on_body(body)
        self._body.has_read(self.cycle.body, len(body))

    def on_message_complete(self) -> None:
        """A request is complete: from here on its connection is busy, unless it sends the next one before it has the response."""
        self._message_is_open = False
        if not self.cycle.response_complete and not self.pipeline:
            self._connection.is_busy = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; a connection that is closed already gets no answer."""
        if not self.transport.is_closing():
            self._malformed()
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """A response is written: the connection is idle, unless another request waits in it."""
        self.server_state.total_requests += 1
        if self._writes is not None:
            self._writes.flush()
            if self._writes.size > self._connection.largest_response:
                self._connections.has_responded(self._connection, self._writes.size)
        if not self.pipeline:
            self._connections.idle(self._connection)
        if self.transport.is_closing():
            # Nothing more is read, but the client may take seconds to end the connection.
            self._forget_request()
            return
        if self.flow.write_paused:
            self._wait_for_reader()
        else:
            self._expect_request()

    def resume_writing(self) -> None:
        """The client has read enough."""
        super().resume_writing()
        if self._is_unread:
            self._is_unread = False
            self._reads.stop(self)
            self._connections.was_read(self._connection)
            self._expect_request()

    def expire(self) -> None:
        """Close a connection whose client took too long, at once where it does not read what would have to be sent."""
        if self._is_unread:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()

    def _wait_for_reader(self) -> None:
        """Read nothing, and begin no review, until the client has read the last response."""
        self._is_unread = True
        self.flow.pause_reading()
        self._reads.start(self)
        self._connections.is_unread(self._connection)

    def _expect_request(self) -> None:
        """Serve the request that waits, or start the idle time."""
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._is_idle = True
            self._idle.start(self)
            if not self._message_is_open:
                self._forget_request()

    def _forget_request(self) -> None:
        """Let go of the head, which uvicorn holds until the next one begins."""
        self._answered = None
        self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
        self.url = b""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        self._writes = _JoinedWrites(self.transport, cycle)
        cycle.transport = self._writes  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def _count_field(self, size: int) -> None:
        if self._fields > MAX_FIELDS or self._field_bytes > MAX_HEAD_BYTES:
            self._refuse()
        if self._head_is_open:
            # Until there is a request that could be refused.
            self._body.when_displaced = self.transport.abort
            self._body.has_head(self.headers, size + FIELD_BYTES)
            if not self._body.is_wanted:
                self._refuse()

    def _begin_head(self) -> None:
        self._head_is_open = self._message_is_open = True
        self._bytes_without_body = 0

    def _refuse(self) -> NoReturn:
        self.transport.abort()
        raise ExcessError
