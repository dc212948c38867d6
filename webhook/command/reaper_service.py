"""The composition root of the reaper's controller: a Kubernetes client and its scope in, a controller and a health port out."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from webhook.kube.leadership import Leadership
from webhook.kube.lease import Lease
from webhook.reaper.controller import HUNG_SECONDS, Controller
from webhook.reaper.metrics import ReaperMetrics
from webhook.reaper.telemetry import ReaperTelemetry
from webhook.server.connections import Connections
from webhook.server.descriptors import descriptors_for_connections
from webhook.server.health import create_health_app
from webhook.server.health_server import MAX_HEALTH_CONNECTIONS, make_health_server
from webhook.server.heap import freeze_heap, return_freed_memory
from webhook.server.json_log import log_to_stdout, log_uncaught
from webhook.server.limited_server import bind

if TYPE_CHECKING:
    from webhook.kube.client import KubernetesClient
    from webhook.reaper.scope import ReaperScope
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.reaper")


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """Where the Lease is.

    Args:
        namespace: Its namespace.
        name: Its name.

    """

    namespace: str
    name: str


def run_controller(client: KubernetesClient, scope: ReaperScope, place: LeasePlace, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. SettingsError: the health port cannot be listened on."""
    return_freed_memory()
    metrics = ReaperMetrics()
    log_to_stdout(settings.log_level, metrics.log_lines_dropped.inc)
    log_uncaught()
    bound = bind(settings.host, settings.health_port)
    service = _ReaperService(client, scope, place, metrics)
    freeze_heap()
    with asyncio.Runner() as runner:
        runner.run(service.run(bound))


class _ReaperService:
    """The controller, its Lease and the health port."""

    def __init__(self, client: KubernetesClient, scope: ReaperScope, place: LeasePlace, metrics: ReaperMetrics) -> None:
        host = socket.gethostname()
        self._controller = Controller(client, scope, ReaperTelemetry(metrics, scope), host)
        self._lease = Lease(client, place.namespace, place.name, f"{host}_{uuid.uuid4()}", self._controller)
        self._leadership = Leadership(self._lease, self._controller)
        app = create_health_app(metrics.registry, self._unready_reason, self._dead_reason)
        limit = min(MAX_HEALTH_CONNECTIONS.total, descriptors_for_connections(MAX_HEALTH_CONNECTIONS.total))
        connections = Connections(replace(MAX_HEALTH_CONNECTIONS, total=limit), _nothing)
        self._health = make_health_server(app, connections, _ignore)
        self._fields = {"namespaces": scope.namespaces, "observing": scope.is_observing, "methods": sorted(scope.policy.methods)}

    async def run(self, bound: socket.socket) -> None:
        """Run until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        LOG.info("starting", extra={"fields": self._fields})
        self._controller.start(self._lease, self._leadership)
        await self._health.serve([bound])
        await asyncio.to_thread(self._controller.stop)
        LOG.info("stopped")

    def _stop(self) -> None:
        LOG.info("stopping")
        self._health.should_exit = True

    def _unready_reason(self) -> str:
        return "stopping" if self._health.should_exit else self._controller.unready_reason

    def _dead_reason(self) -> str:
        return "" if self._controller.is_alive else f"the controller's thread has made no turn for {HUNG_SECONDS:g} s"


def _nothing() -> None:
    """A connection was closed because of the limit: probes and scrapes come again."""


def _ignore(status: int, problem: str) -> None:
    """A request was refused; only probes and scrapes are expected here."""
    LOG.debug("refused", extra={"fields": {"status": status, "problem": problem}})
