"""Follows the nodes of the cluster, with little work for their heartbeats."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from webhook.kube.nodes import Nodes
from webhook.kube.reading import NODES_PATH, read_node, read_nodes
from webhook.kube.reflector import Reflector
from webhook.kube.view import ClusterResource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import msgspec

    from webhook.kube.reading import ApiReader
    from webhook.kube.reflector import ObjectMetadata
    from webhook.kube.view import ClusterView, ReadListener

GATHER_SECONDS: Final = 0.5
"""How long events gather in the connection before they are read. Nearly all are heartbeats, one for each node every five minutes: reading
each one as it arrives would wake this thread beside the reviews, and cost three times as much."""

BATCH_SECONDS: Final = 0.05
"""How long events are then read without a pause: some hundreds of them."""


class NodeReflector(Reflector):
    """Lists the nodes once, then watches them. Thousands of nodes are many megabytes, so they are listed again only after a lost watch."""

    def __init__(
        self,
        api: ApiReader,
        view: ClusterView,
        listener: ReadListener,
        pause: Callable[[float], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            api: The API server.
            view: Is updated with the nodes.
            listener: Is notified of each list, of each part of a watch, and of failures.
            pause: Waits for a number of seconds.
            now: A monotonic clock, in seconds.

        """
        super().__init__(api, NODES_PATH, {}, now, resync_seconds=math.inf)
        self._view, self._listener, self._pause = view, listener, pause
        self._nodes = Nodes()
        self._read_until = now() + BATCH_SECONDS

    def take_list(self, items: Iterator[msgspec.Raw]) -> None:
        """Take over all nodes."""
        self._nodes = read_nodes(items)
        self._view.update_nodes(self._nodes)

    def take_change(self, metadata: ObjectMetadata, data: msgspec.Raw) -> None:
        """Take over one node; most events are heartbeats, which change nothing that is stored."""
        del metadata
        if self._nodes.put(read_node(data)):
            self._view.update_nodes(self._nodes)

    def take_end(self, metadata: ObjectMetadata) -> None:
        """Forget a deleted node."""
        if self._nodes.drop(metadata.name):
            self._view.update_nodes(self._nodes)

    def was_read(self) -> None:
        """Let events gather when some have been read."""
        self._listener.read(ClusterResource.NODES)
        if self._now() > self._read_until:
            self._pause(GATHER_SECONDS)
            self._read_until = self._now() + BATCH_SECONDS

    def has_failed(self, problem: Exception) -> None:
        """The nodes known so far stay."""
        self._listener.read_failed(ClusterResource.NODES, problem)
