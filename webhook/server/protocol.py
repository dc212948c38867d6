"""uvicorn's HTTP protocol, with limits that it lacks: on the head of a request, its framing and its trailers, and on pipelining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sized

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from webhook.server.connections import Connections, OpenConnection

MAX_HEAD_BYTES: Final = 64 * 1024
"""The API server sends a few hundred bytes of headers, more with tracing."""

MAX_FIELDS: Final = 256
"""Headers and trailers of one request. The API server sends about ten."""

MAX_PIPELINED: Final = 32
"""Requests that wait in one connection. Go's client, which the API server uses, sends one at a time."""


TLS_BUFFER_BYTES: Final = 32 * 1024
"""What uvloop holds of a connection, in each direction, before it stops reading or before the application waits; its default is 512 KiB.
An idle connection keeps buffers of about the largest size that they had."""

ABORT: Final = "airflow-sidecar-webhook.abort"
"""The extension of the ASGI scope with a function that closes the connection at once, without sending what waits."""


IS_UNREAD: Final = "airflow-sidecar-webhook.is-unread"
"""The extension with a function that says whether so much is not read by the client that the next response has to wait."""


class ExcessError(Exception):
    """A request has too many fields, or too many requests wait in one connection, which is closed already.

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


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request has a head that exceeds the deadline, the size or the number of fields, or trailers as large.

    It also closes a connection that sends more and more requests without waiting for responses: uvicorn would queue them.

    The deadline of the first head starts with the connection; between requests uvicorn's own keep-alive timeout applies.
    """

    def __init__(self, connections: Connections, connection: OpenConnection, head_seconds: float, **uvicorns: Any) -> None:
        """Expect the first head of this connection. ``head_seconds`` is the deadline for a head; the rest is uvicorn's."""
        super().__init__(**uvicorns)
        self._connections = connections
        self._connection = connection
        self._head_seconds = head_seconds
        self.is_connected = False
        self._answered: RequestResponseCycle | None = None
        self._head_is_open = True
        self._message_is_open = True
        self._bytes_without_body = 0
        self._fields = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._extensions: dict[str, dict[object, object]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        self.is_connected = True
        self._connection.close = transport.abort
        self._extensions = {ABORT: {"call": transport.abort}, IS_UNREAD: {"call": lambda: self.flow.write_paused}}
        super().connection_made(transport)
        self.flow = _FlowControl(transport, self.pipeline)
        transport.set_write_buffer_limits(TLS_BUFFER_BYTES)
        if self.scheme == "https":
            # Only uvloop's TLS has a buffer for what it reads.
            transport.set_read_buffer_limits(TLS_BUFFER_BYTES)  # type: ignore[attr-defined]
        self._head_timer = self.loop.call_later(self._head_seconds, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline, and count the connection no more."""
        self._connections.remove(self._connection)
        # uvicorn does this for the request that arrived last, which is not the one that is being answered where requests are pipelined.
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        self._stop_timer()
        # uvicorn cancels it only where the other side has closed in order: else it would keep 30 KB for as long as it runs.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then check the limits of what is incomplete."""
        if self.timeout_keep_alive_task is not None:
            # The first byte after a response ends uvicorn's keep-alive timeout, even if it is a blank line, which begins no message.
            self._begin_head()
        self._bytes_without_body += len(data)
        super().data_received(data)
        if not self._message_is_open:
            return
        if self._bytes_without_body > MAX_HEAD_BYTES:
            self.transport.abort()
        elif self._head_is_open and self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_seconds, self._close)

    def on_message_begin(self) -> None:
        """A head starts."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._fields = 0
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is ignored: uvicorn would add it to the headers that the application reads."""
        self._fields += 1
        if self._fields > MAX_FIELDS:
            self._refuse()
        if self._head_is_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_is_open = False
        self._bytes_without_body = 0
        self._stop_timer()
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self._refuse()

    def on_body(self, body: bytes) -> None:
        """A part of a body. What comes after it counts anew: the length of a chunk, or the trailers."""
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete: from here on its connection is busy."""
        self._message_is_open = False
        if not self.cycle.response_complete:
            self._connection.is_busy = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A response is written: the connection is idle, unless another request waits in it."""
        if not self.pipeline:
            self._connections.idle(self._connection)
        super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _begin_head(self) -> None:
        self._head_is_open = self._message_is_open = True
        self._bytes_without_body = 0

    def _refuse(self) -> NoReturn:
        self.transport.abort()
        raise ExcessError

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()
