"""The watch over the cluster as this service runs it: what starts it, and what it tells in logs and metrics."""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from webhook.core.cluster import Cluster, NativeSupport, NativeSwitch
from webhook.kube.credentials import NO_CREDENTIALS, find_client
from webhook.kube.errors import ClusterError
from webhook.kube.view import ClusterView, Resource
from webhook.kube.watcher import Watcher

if TYPE_CHECKING:
    from webhook.core.sidecar import Catalogue
    from webhook.kube.nodes import Node
    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.kube")


class ClusterWatch:
    """The view, and the watcher behind it where there is anything to watch."""

    def __init__(self, settings: Settings, catalogue: Catalogue, metrics: Metrics) -> None:
        """Find the credentials. Nothing is asked before `start`."""
        self._story = ClusterStory(metrics)
        self.view = ClusterView(settings.native_sidecars, settings.minimum_kubelet, catalogue, self._story)
        self._story.begins(self.view.current.support)
        self._watcher: Watcher | None = None
        if settings.native_sidecars is not NativeSwitch.OFF:
            connect = find_client(os.environ)
            if connect is not None:
                self._watcher = Watcher(connect, self.view, self._story, settings.cluster_poll_seconds)

    def start(self) -> None:
        """Begin to look."""
        if self._watcher is not None:
            self._story.watches()
            self._watcher.start()
        elif self.view.current.support is not NativeSupport.FORCED_OFF:
            LOG.info("no cluster", extra={"fields": {"why": NO_CREDENTIALS}})

    def stop(self) -> None:
        """Neither ask nor tell any more."""
        if self._watcher is not None:
            self._watcher.stop()

    @property
    def has_looked(self) -> bool:
        """Whether the first look is over, however it ended."""
        return self._watcher is None or self._watcher.has_looked


class ClusterStory:
    """What is told of the cluster: a line when something is otherwise than before, and the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Nothing yet."""
        self._metrics = metrics
        self._problems: dict[Resource, str] = {}
        self._answers: dict[Resource, float] = {}

    def begins(self, support: NativeSupport) -> None:
        """What holds before the first look."""
        for one in NativeSupport:
            self._metrics.native_support.labels(one).set(one is support)

    def watches(self) -> None:
        """From now on there is an age of what is known."""
        began = time.monotonic()
        for resource in Resource:
            self._answers[resource] = began
            self._metrics.cluster_errors.labels(resource)
            self._metrics.look_age.labels(resource).set_function(partial(self._age, resource))

    def changed(self, before: NativeSupport, after: Cluster, oldest: Node | None) -> None:
        """One line: from what, to what, and what it follows from."""
        self._metrics.native_support.labels(before).set(0)
        self._metrics.native_support.labels(after.support).set(1)
        fields: dict[str, object] = {"before": before, "support": after.support, "server": after.server and str(after.server)}
        if oldest is not None:
            fields |= {"oldest_kubelet": str(oldest.kubelet), "node": oldest.name}
        LOG.info("native sidecars", extra={"fields": fields})

    def counted(self, nodes: int, virtual: int) -> None:
        """So many nodes."""
        self._metrics.nodes.labels("counted").set(nodes - virtual)
        self._metrics.nodes.labels("virtual").set(virtual)

    def found(self, injectors: frozenset[str]) -> None:
        """One line."""
        LOG.info("injectors", extra={"fields": {"installed": sorted(injectors)}})

    def answered(self, resource: Resource) -> None:
        """What is known is fresh; a line where that was otherwise."""
        self._answers[resource] = time.monotonic()
        if self._problems.pop(resource, None):
            LOG.info("cluster answers again", extra={"fields": {"resource": resource}})

    def failed(self, resource: Resource, problem: Exception) -> None:
        """A count for each failure, a line for the first of a kind."""
        self._metrics.cluster_errors.labels(resource).inc()
        text = str(problem) if isinstance(problem, ClusterError) else type(problem).__name__
        if self._problems.get(resource) == text:
            return
        self._problems[resource] = text
        # What is no ClusterError is a bug of ours: then the log says where.
        fault = None if isinstance(problem, ClusterError) else problem
        LOG.warning("cluster not looked at", exc_info=fault, extra={"fields": {"resource": resource, "problem": text}})

    def _age(self, resource: Resource) -> float:
        """Seconds since it was last told of."""
        return time.monotonic() - self._answers[resource]
