"""The composition root of the service: settings in, two servers out."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from webhook.policy_files import build_policy
from webhook.server.app import create_app
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.cluster_watch import ClusterWatch
from webhook.server.drain import Drain
from webhook.server.file_certificate_source import FileCertificateSource
from webhook.server.health import create_health_app
from webhook.server.json_log import log_to_stdout
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation
from webhook.server.protocol import with_head_deadline
from webhook.server.self_test import self_test
from webhook.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from webhook.core import Policy
    from webhook.server.certificate_source import CertificateSource
    from webhook.settings import Settings

LOG = logging.getLogger("webhook.serve")

SHUTDOWN_SECONDS: Final = 10
"""The API server's default timeout for one call: it waits no longer for a response."""


class _UvicornServer(uvicorn.Server):
    """A uvicorn server without signal handlers: two servers run in one process, and uvicorn would signal only one of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        LOG.info("listening", extra={"fields": {"tls": self.config.is_ssl, "port": port}})


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: A data file cannot be used, or a port cannot be listened on.
        CertificateError: The certificate cannot be served.

    """
    log_to_stdout(settings.log_level)
    service = _Service(settings)
    freeze_heap()
    uvicorn_loop = service.webhook.config.get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(service.run())


def freeze_heap() -> None:
    """Exclude the objects made at start-up from garbage collection: traversing them again and again doubles the slowest responses."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


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

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(has_self_managed_certificate=settings.certificates == "self-managed")
        self.certificate = _certificate_source(settings, self.metrics)
        policy = build_policy(settings)
        self_test(policy)
        self.cluster = ClusterWatch(settings, policy.catalogue, self.metrics)
        self.webhook = _UvicornServer(self._webhook_config(policy))
        self.health = _UvicornServer(self._config(create_health_app(self.metrics, self._unready_reason), settings.health_port))
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

    def _webhook_config(self, policy: Policy) -> uvicorn.Config:
        settings = self.settings
        observation = Observation(self.metrics)
        view = self.cluster.view
        app = create_app(policy, lambda: view.current, observation, settings.on_fault)
        limits = BodyLimits(settings.max_body_bytes, settings.max_buffered_bytes, settings.read_seconds)
        limited = BodyLimit(app, limits, observation.refused)
        self.metrics.in_flight.set_function(lambda: limited.in_flight)
        self.drain = Drain(limited)
        config = self._config(self.drain, settings.port)
        config.ssl_context_factory = lambda _config, _default: self.certificate.context()
        config.http = with_head_deadline(settings.read_seconds)
        return config

    def _config(self, app: ASGIApp, port: int) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            host=self.settings.host,
            port=port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=self.settings.keep_alive_seconds,
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
