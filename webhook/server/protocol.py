"""uvicorn's HTTP protocol, with limits that it lacks: a deadline and a size for the head of a request, and a limit on pipelining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES: Final = 64 * 1024
"""The API server sends a few hundred bytes of headers, more with tracing."""

MAX_PIPELINED: Final = 32
"""Requests that wait in one connection. Go's client, which the API server uses, sends one at a time."""


class HeadLimitedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head exceeds the deadline or the size.

    It also closes a connection that sends more and more requests without waiting for responses: uvicorn would queue them.

    The deadline of the first head starts with the connection; between requests uvicorn's own keep-alive timeout applies.
    """

    head_seconds: float = 5.0
    """The deadline for a head, in seconds; `with_head_deadline` makes a class with another one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Expect the first head."""
        super().__init__(*args, **kwargs)
        self._head_is_open = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_seconds, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then check the limits of an incomplete head."""
        if self.timeout_keep_alive_task is not None:
            # The first byte after a response ends uvicorn's keep-alive timeout, even if it is a blank line, which begins no message.
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
