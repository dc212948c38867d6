"""The current state of the cluster: one frozen value that is replaced as a whole, so that reading it is one attribute access."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from webhook.core import Cluster, ClusterObservation, NativeSupport, NativeSwitch, assess, installed_injectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core import Catalogue, MutatingWebhook, ServerVersion, Version
    from webhook.kube.nodes import ClusterNode, Nodes


class ClusterResource(StrEnum):
    """What is read from the Kubernetes API, by the API's own names."""

    VERSION = "version"
    NODES = "nodes"
    CONFIGURATIONS = "mutatingwebhookconfigurations"


class ReadListener(Protocol):
    """Is notified of reads, in the threads that read."""

    def read(self, resource: ClusterResource) -> None:
        """The resource was read successfully."""

    def read_failed(self, resource: ClusterResource, problem: Exception) -> None:
        """A read failed; the known state of the resource stays."""


class ClusterListener(ReadListener, Protocol):
    """Is notified of changes, too."""

    def support_changed(self, before: NativeSupport, after: Cluster, oldest: ClusterNode | None) -> None:
        """The support for native sidecars has changed; ``oldest`` is the node with the oldest kubelet."""

    def nodes_counted(self, nodes: int, virtual: int) -> None:
        """The cluster has so many nodes, of which so many are virtual."""

    def injectors_changed(self, injectors: frozenset[str]) -> None:
        """The set of installed injectors has changed; each is the id of a row of the catalogue."""


class ClusterView:
    """The current state of the cluster: written by the watcher, read by the request path."""

    def __init__(self, switch: NativeSwitch, minimum_kubelet: Version, catalogue: Catalogue, listener: ClusterListener) -> None:
        """Nothing is known yet."""
        self._rule = (switch, minimum_kubelet)
        self._catalogue = catalogue
        self._listener = listener
        self._observed = ClusterObservation()
        self._oldest: ClusterNode | None = None
        self._writing = threading.Lock()
        self.current = assess(self._observed, *self._rule)

    def update_server(self, server: ServerVersion) -> None:
        """Take over the API server's version."""
        with self._writing:
            self._publish(replace(self._observed, server=server))

    def update_nodes(self, nodes: Nodes) -> None:
        """Take over the nodes."""
        with self._writing:
            self._oldest = nodes.oldest
            self._listener.nodes_counted(len(nodes), nodes.virtual)
            oldest = self._oldest and self._oldest.kubelet
            observed = replace(self._observed, are_nodes_known=True, oldest_kubelet=oldest, virtual_nodes=nodes.virtual_names)
            self._publish(observed)

    def update_webhooks(self, webhooks: Iterable[MutatingWebhook]) -> None:
        """Take over the mutating webhooks, which show the installed injectors."""
        installed = installed_injectors(webhooks, self._catalogue)
        with self._writing:
            if installed.ids != self._observed.injectors:
                self._listener.injectors_changed(installed.ids)
            observed = replace(
                self._observed,
                injectors=installed.ids,
                reinvoked=installed.reinvoked,
                injector_versions=installed.versions,
                are_injectors_known=True,
            )
            self._publish(observed)

    def _publish(self, observed: ClusterObservation) -> None:
        before, after = self.current.support, assess(observed, *self._rule)
        self._observed = observed
        self.current = after
        if after.support is not before:
            self._listener.support_changed(before, after, self._oldest)
