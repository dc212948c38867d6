"""The composition root of the service: settings in, two servers out."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from webhook.policy_files import build_policy
from webhook.server.app import create_app
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.cluster_watch import ClusterWatch
from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.descriptors import descriptors_for_connections
from webhook.server.drain import Drain
from webhook.server.file_certificate_source import FileCertificateSource
from webhook.server.health import create_health_app
from webhook.server.health_server import MAX_HEALTH_CONNECTIONS, make_health_server
from webhook.server.heap import HeapTrim, freeze_heap, return_freed_memory
from webhook.server.json_log import log_to_stdout, log_uncaught
from webhook.server.limited_server import CONNECTION_BYTES, REVIEW_SECONDS, LimitedServer, bind, server_config
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation
from webhook.server.part_turns import PartTurns
from webhook.server.review_turns import ReviewTurns
from webhook.server.self_test import self_test

if TYPE_CHECKING:
    from webhook.core import Policy
    from webhook.server.certificate_source import CertificateSource
    from webhook.server.json_log import JsonLog
    from webhook.settings import Settings

LOG = logging.getLogger("webhook.serve")

UNREAD_BYTES: Final = 256 * 1024
"""What a connection takes whose client does not read: the share of `max_buffered_bytes` that decides how many there may be."""


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
        self.sockets = [bind(settings.host, port) for port in (settings.port, settings.health_port)]

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

    def _webhook_server(self, policy: Policy, limits: ConnectionLimits) -> LimitedServer:
        settings = self.settings
        observation = Observation(self.metrics, self.log.write_info)
        view = self.cluster.view
        app = create_app(policy, lambda: view.current, observation, settings.on_fault)
        connections = self._connections(limits, "https")
        limits_of_bodies = BodyLimits(settings.max_body_bytes, settings.read_seconds, REVIEW_SECONDS)
        limited = BodyLimit(ReviewTurns(app, lambda: connections.peers), limits_of_bodies, observation.refused)
        self.metrics.in_flight.set_function(lambda: limited.in_flight)
        self.drain = Drain(PartTurns(limited))
        config = server_config(self.drain, settings.keep_alive_seconds)
        bodies = BufferedBodies(settings.max_buffered_bytes)
        malformed = partial(observation.refused, 400, "the request is no HTTP")
        return LimitedServer(config, connections, bodies, settings.read_seconds, self.certificate.context, malformed)

    def _health_server(self, limits: ConnectionLimits) -> LimitedServer:
        self.metrics.is_ready.set_function(lambda: not self._unready_reason())
        app = create_health_app(self.metrics.registry, self._unready_reason, lambda: "")
        refused = self.metrics.refused
        return make_health_server(app, self._connections(limits, "health"), lambda status, _problem: refused.labels(str(status)).inc())

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
