"""Watches the cluster for the service: starts the watcher where there are credentials, with its log lines and metrics."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from webhook.core import Cluster, NativeSupport, NativeSwitch
from webhook.kube.credentials import NO_CREDENTIALS, find_client
from webhook.kube.errors import ClusterError
from webhook.kube.view import ClusterResource, ClusterView
from webhook.kube.watcher import ClusterWatcher

if TYPE_CHECKING:
    from webhook.core import Catalogue
    from webhook.kube.nodes import ClusterNode
    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.kube")


class ClusterWatch:
    """The view of the cluster, and the watcher that updates it where there are credentials."""

    def __init__(self, settings: Settings, catalogue: Catalogue, metrics: Metrics) -> None:
        """Find the credentials. Nothing is requested before `start`."""
        self._telemetry = ClusterTelemetry(metrics)
        self.view = ClusterView(settings.native_sidecars, settings.minimum_kubelet, catalogue, self._telemetry)
        self._telemetry.set_support(self.view.current.support)
        self._watcher: ClusterWatcher | None = None
        if settings.native_sidecars is not NativeSwitch.OFF:
            connect = find_client(os.environ)
            if connect is not None:
                self._watcher = ClusterWatcher(connect, self.view, self._telemetry, settings.cluster_poll_seconds)

    def start(self) -> None:
        """Start the watcher; log where there are no credentials for one."""
        if self._watcher is not None:
            self._telemetry.start()
            self._watcher.start()
        elif self.view.current.support is not NativeSupport.FORCED_OFF:
            LOG.info("no cluster", extra={"fields": {"why": NO_CREDENTIALS}})

    def stop(self) -> None:
        """Stop polling and notifying."""
        if self._watcher is not None:
            self._watcher.stop()

    @property
    def has_synced(self) -> bool:
        """Whether everything has been read once, or failed once, or took too long; True without a watcher."""
        return self._watcher is None or self._watcher.has_synced


class ClusterTelemetry:
    """A `webhook.kube.view.ClusterListener` that logs what has changed and sets the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Nothing has been read yet."""
        self._metrics = metrics
        self._problems: dict[ClusterResource, str] = {}

    def set_support(self, support: NativeSupport) -> None:
        """Set the metric to the support before the first read."""
        for one in NativeSupport:
            self._metrics.native_support.labels(one).set(one is support)

    def start(self) -> None:
        """Expose, from now on, when each resource was last read."""
        for resource in ClusterResource:
            self._metrics.cluster_errors.labels(resource)
            self._metrics.cluster_last_read.labels(resource).set_to_current_time()

    def support_changed(self, before: NativeSupport, after: Cluster, oldest: ClusterNode | None) -> None:
        """Log the change and its causes."""
        self._metrics.native_support.labels(before).set(0)
        self._metrics.native_support.labels(after.support).set(1)
        fields: dict[str, object] = {"before": before, "support": after.support, "server": after.server and str(after.server)}
        if oldest is not None:
            fields |= {"oldest_kubelet": str(oldest.kubelet), "node": oldest.name}
        LOG.info("native sidecars", extra={"fields": fields})

    def nodes_counted(self, nodes: int, virtual: int) -> None:
        """Set the metric."""
        self._metrics.nodes.labels("regular").set(nodes - virtual)
        self._metrics.nodes.labels("virtual").set(virtual)

    def injectors_changed(self, injectors: frozenset[str]) -> None:
        """Log the injectors that are installed now."""
        LOG.info("injectors", extra={"fields": {"installed": sorted(injectors)}})

    def read(self, resource: ClusterResource) -> None:
        """Note the time, and log the first success after a failure."""
        self._metrics.cluster_last_read.labels(resource).set_to_current_time()
        if self._problems.pop(resource, None):
            LOG.info("reading the cluster's state again", extra={"fields": {"resource": resource}})

    def read_failed(self, resource: ClusterResource, problem: Exception) -> None:
        """Count the failure, and log it unless the resource's previous one had the same text. What is not a ClusterError is a bug."""
        self._metrics.cluster_errors.labels(resource).inc()
        is_bug = not isinstance(problem, ClusterError)
        text = type(problem).__name__ if is_bug else str(problem)
        if self._problems.get(resource) == text:
            return
        self._problems[resource] = text
        fields = {"resource": resource, "problem": text}
        LOG.warning("cannot read the cluster's state", exc_info=problem if is_bug else None, extra={"fields": fields})
