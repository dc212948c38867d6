"""The composition root of the service: settings in, two servers out."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import uvicorn

from webhook.policy_files import build_policy
from webhook.server.app import create_app
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.cluster_watch import ClusterWatch
from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.deadlines import Deadlines
from webhook.server.descriptors import descriptors_for_connections
from webhook.server.drain import Drain
from webhook.server.file_certificate_source import FileCertificateSource
from webhook.server.health import create_health_app
from webhook.server.heap import HeapTrim, freeze_heap, return_freed_memory
from webhook.server.json_log import log_to_stdout, log_uncaught
from webhook.server.listener import Listener
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation
from webhook.server.part_turns import PartTurns
from webhook.server.protocol import BoundedProtocol, ProtocolDeadlines
from webhook.server.review_turns import ReviewTurns
from webhook.server.self_test import self_test
from webhook.settings import SettingsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from webhook.core import Policy
    from webhook.server.certificate_source import CertificateSource
    from webhook.server.connections import OpenConnection
    from webhook.server.json_log import JsonLog
    from webhook.settings import Settings

LOG = logging.getLogger("webhook.serve")

SHUTDOWN_SECONDS: Final = 10
"""The API server's default timeout for one call: it waits no longer for a response."""

REVIEW_SECONDS: Final = 10.0
"""The same for a review with the wait for its turn; and for a scrape, by Prometheus's default."""

CONNECTION_BYTES: Final = 32 * 1024
"""The buffers of a connection, on average of as many as there may be. That of an API server has some 60 KB."""

MAX_HEALTH_CONNECTIONS: Final = ConnectionLimits(total=64, per_peer=16, unread=16, buffer_bytes=64 * CONNECTION_BYTES)
"""The kubelet opens one for each probe, and Prometheus keeps one."""

HEALTH_BODIES: Final = BodyLimits(max_bytes=1024, read_seconds=5.0, review_seconds=REVIEW_SECONDS)
"""No request to the health port needs a body."""

HEALTH_BUFFERED_BYTES: Final = 8 * 1024 * 1024
"""For the responses of the health port."""

UNREAD_BYTES: Final = 256 * 1024
"""What a connection takes whose client does not read: the share of `max_buffered_bytes` that decides how many there may be."""

HEALTH_KEEP_ALIVE_SECONDS: Final = 5
"""Prometheus scrapes every 15 s or less often, and opens a new connection without a loss."""


class _UvicornServer(uvicorn.Server):
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
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; uvicorn's own servers have no place for a limit."""
        assert sockets  # noqa: S101 - `_Service` binds them
        self.servers = []
        self._listener.start(sockets[0])
        self.started = True
        LOG.info("listening", extra={"fields": {"tls": self._is_tls, "port": sockets[0].getsockname()[1]}})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._listener.close()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: A data file cannot be used, or a port cannot be listened on.
        CertificateError: The certificate cannot be served.

    """
    return_freed_memory()
    metrics = Metrics(has_self_managed_certificate=settings.certificates == "self-managed")
    log = log_to_stdout(settings.log_level, metrics.log_lines_dropped.inc)
    log_uncaught()
    service = _Service(settings, metrics, log)
    freeze_heap()
    uvicorn_loop = service.webhook.config.get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(service.run())


def _bind(host: str, port: int) -> socket.socket:
    """Bind a port before anything starts: on failure uvicorn would end the process in the middle of the start, with its own exit code."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"cannot listen: {error.strerror}"
        raise SettingsError(message) from error


def _certificate_source(settings: Settings, metrics: Metrics) -> CertificateSource:
    """The source that the settings name. CertificateError: it has no certificate that can be served."""
    if settings.certificates == "files":
        return FileCertificateSource(settings, metrics)
    # Imported only here: a service with certificate files does not need the authority.
    from webhook.server.self_managed_certificate_source import SelfManagedCertificateSource  # noqa: PLC0415

    return SelfManagedCertificateSource(settings, metrics)


class _Service:
    """Both servers, the certificate source and the cluster watch."""

    def __init__(self, settings: Settings, metrics: Metrics, log: JsonLog) -> None:
        self.settings = settings
        self.metrics = metrics
        self.log = log
        self.certificate = _certificate_source(settings, self.metrics)
        self.heap = HeapTrim()
        for_webhook, for_health = self._connection_limits()
        policy = build_policy(settings)
        self_test(policy)
        self.cluster = ClusterWatch(settings, policy.catalogue, self.metrics)
        self.webhook = self._webhook_server(policy, for_webhook)
        self.health = self._health_server(for_health)
        self.sockets = [_bind(settings.host, port) for port in (settings.port, settings.health_port)]

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain, loop)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        self.certificate.start()
        self.cluster.start()
        await asyncio.gather(*(server.serve([bound]) for server, bound in zip((self.webhook, self.health), self.sockets, strict=True)))
        self.certificate.stop()
        LOG.info("stopped")

    def _connection_limits(self) -> tuple[ConnectionLimits, ConnectionLimits]:
        """For the TLS port and the health port. Fewer than set where the process may not open so many descriptors."""
        settings = self.settings
        available = descriptors_for_connections(settings.max_connections + MAX_HEALTH_CONNECTIONS.total)
        health = min(MAX_HEALTH_CONNECTIONS.total, available // 4)
        webhook = min(settings.max_connections, available - health)
        if webhook < settings.max_connections:
            LOG.warning("few descriptors", extra={"fields": {"max_connections": webhook, "wanted": settings.max_connections}})
        return (
            ConnectionLimits(
                total=webhook,
                per_peer=min(settings.max_connections_per_peer, webhook),
                unread=settings.max_buffered_bytes // UNREAD_BYTES,
                buffer_bytes=webhook * CONNECTION_BYTES,
            ),
            replace(MAX_HEALTH_CONNECTIONS, total=health, per_peer=min(MAX_HEALTH_CONNECTIONS.per_peer, health)),
        )

    def _connections(self, limits: ConnectionLimits, port: str) -> Connections:
        connections = Connections(limits, self.metrics.displaced_connections.labels(port).inc, self.heap.connection_ended)
        self.metrics.connections.labels(port).set_function(lambda: len(connections))
        return connections

    def _webhook_server(self, policy: Policy, limits: ConnectionLimits) -> _UvicornServer:
        settings = self.settings
        observation = Observation(self.metrics, self.log.write_info)
        view = self.cluster.view
        app = create_app(policy, lambda: view.current, observation, settings.on_fault)
        connections = self._connections(limits, "https")
        limits_of_bodies = BodyLimits(settings.max_body_bytes, settings.read_seconds, REVIEW_SECONDS)
        limited = BodyLimit(ReviewTurns(app, lambda: connections.peers), limits_of_bodies, observation.refused)
        self.metrics.in_flight.set_function(lambda: limited.in_flight)
        self.drain = Drain(PartTurns(limited))
        config = self._config(self.drain, settings.keep_alive_seconds)
        bodies = BufferedBodies(settings.max_buffered_bytes)
        return _UvicornServer(config, connections, bodies, settings.read_seconds, self.certificate.context, self._malformed)

    def _health_server(self, limits: ConnectionLimits) -> _UvicornServer:
        app = create_health_app(self.metrics, self._unready_reason)
        connections = self._connections(limits, "health")
        refused = self.metrics.refused
        turns = ReviewTurns(app, lambda: connections.peers)
        limited = BodyLimit(turns, HEALTH_BODIES, lambda status, _problem: refused.labels(str(status)).inc())
        config = self._config(limited, HEALTH_KEEP_ALIVE_SECONDS)
        bodies = BufferedBodies(HEALTH_BUFFERED_BYTES)
        return _UvicornServer(config, connections, bodies, HEALTH_BODIES.read_seconds, None, self._malformed)

    def _malformed(self) -> None:
        self.metrics.refused.labels("400").inc()

    @staticmethod
    def _config(app: ASGIApp, keep_alive_seconds: int) -> uvicorn.Config:
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

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle SIGTERM, which the kubelet sends first: drain. A second one stops at once."""
        if self.drain.is_on or not self.settings.drain_seconds:
            self._stop()
            return
        LOG.info("draining", extra={"fields": {"seconds": self.settings.drain_seconds}})
        self.drain.is_on = True
        loop.call_later(self.settings.drain_seconds, self._stop)

    def _stop(self) -> None:
        """Close the listeners; the servers end when the last request is answered."""
        if self.webhook.should_exit:
            return
        LOG.info("stopping")
        self.cluster.stop()
        self.webhook.should_exit = self.health.should_exit = True

    def _unready_reason(self) -> str:
        if not self.webhook.started or self.webhook.should_exit:
            return "not serving"
        if self.drain.is_on:
            return "draining"
        if not self.cluster.has_synced:
            return "the cluster's state has not been read yet"
        return self.certificate.unready_reason
