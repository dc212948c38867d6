"""The last word on the cluster: one frozen value that is replaced as a whole, so that reading it is one attribute access."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from webhook.core.cluster import Cluster, NativeSupport, NativeSwitch, Observed, assess, installed_injectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core.cluster import MutatingWebhook, Server
    from webhook.core.sidecar import Catalogue
    from webhook.core.version import Version
    from webhook.kube.nodes import Node, Nodes


class Resource(StrEnum):
    """What is asked for, by the API's own names."""

    VERSION = "version"
    NODES = "nodes"
    CONFIGURATIONS = "mutatingwebhookconfigurations"


class Listener(Protocol):
    """Who is told, from the watcher's threads."""

    def changed(self, before: NativeSupport, after: Cluster, oldest: Node | None) -> None:
        """Native sidecars are now used otherwise; ``oldest`` has the oldest kubelet."""

    def counted(self, nodes: int, virtual: int) -> None:
        """So many nodes are there; so many of them are virtual."""

    def found(self, injectors: frozenset[str]) -> None:
        """The injectors of these rows of the catalogue are installed, and were not all before, or others were."""

    def answered(self, resource: Resource) -> None:
        """What is known of this is fresh."""

    def failed(self, resource: Resource, problem: Exception) -> None:
        """What is known of this stays as it was."""


class ClusterView:
    """What is known of the cluster: written by the watcher, read by whoever decides."""

    def __init__(self, switch: NativeSwitch, minimum_kubelet: Version, catalogue: Catalogue, listener: Listener) -> None:
        """Nothing is known yet."""
        self._rule = (switch, minimum_kubelet)
        self._catalogue = catalogue
        self._listener = listener
        self._observed = Observed()
        self._oldest: Node | None = None
        self._writing = threading.Lock()
        self.current = assess(self._observed, *self._rule)

    def saw_server(self, server: Server) -> None:
        """The API server told what it is."""
        with self._writing:
            self._publish(replace(self._observed, server=server))

    def saw_nodes(self, nodes: Nodes) -> None:
        """The nodes are now so."""
        with self._writing:
            self._oldest = nodes.oldest
            self._listener.counted(len(nodes), nodes.virtual)
            self._publish(replace(self._observed, are_nodes_known=True, oldest_kubelet=self._oldest and self._oldest.kubelet))

    def saw_webhooks(self, webhooks: Iterable[MutatingWebhook]) -> None:
        """The mutating webhooks are now so."""
        installed, reinvoked = installed_injectors(webhooks, self._catalogue)
        with self._writing:
            if installed != self._observed.injectors:
                self._listener.found(installed)
            self._publish(replace(self._observed, injectors=installed, reinvoked=reinvoked))

    def _publish(self, observed: Observed) -> None:
        before, after = self.current.support, assess(observed, *self._rule)
        self._observed = observed
        self.current = after
        if after.support is not before:
            self._listener.changed(before, after, self._oldest)
