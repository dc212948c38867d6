"""A uvicorn server with limits on its connections and on the time that each may take."""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from webhook.server.deadlines import Deadlines
from webhook.server.listener import Listener
from webhook.server.protocol import BoundedProtocol, ProtocolDeadlines
from webhook.settings import SettingsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from webhook.server.buffered_bodies import BufferedBodies
    from webhook.server.connections import Connections, OpenConnection

LOG = logging.getLogger("webhook.serve")

SHUTDOWN_SECONDS: Final = 10
"""The API server's default timeout for one call: it waits no longer for a response."""

REVIEW_SECONDS: Final = 10.0
"""The same for a review with the wait for its turn; and for a scrape, by Prometheus's default."""

CONNECTION_BYTES: Final = 16 * 1024
"""The buffers of a connection, on average of as many as there may be. That of an API server has some 60 KB."""


class LimitedServer(uvicorn.Server):
    """A uvicorn server without signal handlers: two servers run in one process, and uvicorn would signal only one of them."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        bodies: BufferedBodies,
        read_seconds: float,
        newest_context: Callable[[], ssl.SSLContext] | None,
        malformed: Callable[[], object],
    ) -> None:
        """Do not listen yet.

        Args:
            config: See `server_config`.
            connections: The open connections, and their limits.
            bodies: What is buffered of all of them.
            read_seconds: For a handshake, and for a request to arrive.
            newest_context: The context for the next TLS handshake; None: plain HTTP.
            malformed: Called for each request that is no HTTP.

        """
        super().__init__(config)
        self._malformed = malformed
        self._connections = connections
        self._bodies = bodies
        self._deadlines = ProtocolDeadlines(Deadlines(read_seconds), Deadlines(config.timeout_keep_alive))
        self._is_tls = newest_context is not None
        self._listener = Listener(connections, self._make_protocol, read_seconds, newest_context)

    def _make_protocol(self, connection: OpenConnection) -> BoundedProtocol:
        return BoundedProtocol(
            self._connections,
            connection,
            self._bodies,
            self._deadlines,
            self._malformed,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle no signal."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; uvicorn's own servers have no place for a limit."""
        assert sockets  # noqa: S101 - `bind` binds them
        self.servers = []
        self._listener.start(sockets[0])
        self.started = True
        LOG.info("listening", extra={"fields": {"tls": self._is_tls, "port": sockets[0].getsockname()[1]}})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listener, and end when the last request is answered."""
        self._listener.close()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Bind a port before anything starts: on failure uvicorn would end the process in the middle of the start, with its own exit code."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"cannot listen: {error.strerror}"
        raise SettingsError(message) from error


def server_config(app: ASGIApp, keep_alive_seconds: int) -> uvicorn.Config:
    """The configuration of a `LimitedServer`."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
