"""The nodes of a cluster. Only the name and the kubelet's version of each are stored, so that thousands take little memory."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import Version, is_virtual_node, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE: Final = Version(0, 0)
"""The version of a kubelet whose version cannot be read: it counts as the oldest, since it may be."""


class ClusterNode(msgspec.Struct, frozen=True):
    """What is stored of a node.

    Args:
        name: Its name.
        kubelet: Its kubelet's version; `UNREADABLE` where it reports none.
        is_virtual: Whether its kubelet is ignored, see `webhook.core.cluster.VIRTUAL_NODE_LABELS`.

    """

    name: str
    kubelet: Version
    is_virtual: bool = False


def make_node(name: str, labels: Mapping[str, str], kubelet_version: str) -> ClusterNode:
    """A node, from the fields of its object."""
    return ClusterNode(name, _version(kubelet_version), is_virtual_node(labels))


@lru_cache(maxsize=256)
def _version(text: str) -> Version:
    """The version; a cluster has few different ones, so its nodes share the objects."""
    return read_version(text) or UNREADABLE


class Nodes:
    """The current nodes, from a list and the events after it."""

    def __init__(self) -> None:
        """No nodes yet."""
        self._by_name: dict[str, ClusterNode] = {}

    def put(self, node: ClusterNode) -> bool:
        """Add or replace a node; whether that changed anything. Most events are heartbeats, which do not."""
        has_changed = self._by_name.get(node.name) != node
        self._by_name[node.name] = node
        return has_changed

    def drop(self, name: str) -> bool:
        """Remove a node; whether it was there."""
        return self._by_name.pop(name, None) is not None

    @property
    def oldest(self) -> ClusterNode | None:
        """The regular node with the oldest kubelet, the first by name among equals; None where there is none."""
        return min((node for node in self._by_name.values() if not node.is_virtual), key=lambda it: (it.kubelet, it.name), default=None)

    @property
    def virtual(self) -> int:
        """The number of virtual nodes."""
        return sum(node.is_virtual for node in self._by_name.values())

    @property
    def virtual_names(self) -> frozenset[str]:
        """Names of the virtual nodes."""
        return frozenset([node.name for node in self._by_name.values() if node.is_virtual])

    def __len__(self) -> int:
        """The number of nodes, virtual ones included."""
        return len(self._by_name)
