"""uvicorn's HTTP protocol with what it leaves open: a deadline and a size for the head of a request, and a bound on pipelining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES: Final = 64 * 1024
"""The API server sends a few hundred bytes of headers, more with tracing."""

MAX_PIPELINED: Final = 32
"""Requests of one connection that wait for the one before them. Go's client, which is the API server's, sends one at a time."""


class HeadLimitedProtocol(HttpToolsProtocol):
    """Closes a connection on which the head of a request does not come to its end in time or in size.

    It also closes one that sends request upon request without waiting: uvicorn reads on with each answer, so they would pile up.

    A connection that has never sent a request counts from its start; between requests uvicorn's own keep-alive time holds.
    """

    head_seconds: float = 5.0
    """How long a head may take, in seconds; `with_head_deadline` makes a class with another."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the first head."""
        super().__init__(*args, **kwargs)
        self._head_is_open = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_seconds, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then see whether a head is still incomplete."""
        if self.timeout_keep_alive_task is not None:
            # The first byte after a response ends uvicorn's keep-alive time, though a blank line begins no message.
            self._begin_head()
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._head_is_open:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._close)

    def on_message_begin(self) -> None:
        """A head starts."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_is_open = False
        self._stop_timer()
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()

    def _begin_head(self) -> None:
        self._head_is_open = True
        self._head_bytes = 0

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()


def with_head_deadline(seconds: float) -> type[HeadLimitedProtocol]:
    """The protocol with this deadline, in seconds."""
    return type("HeadLimitedProtocol", (HeadLimitedProtocol,), {"head_seconds": seconds})
