"""The nodes of a cluster: of each its name and its kubelet's version, and no more, so that thousands take little room."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.cluster import is_virtual_node
from webhook.core.version import Version, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE: Final = Version(0, 0)
"""A kubelet whose version cannot be read counts as the oldest: it may be one."""


class Node(msgspec.Struct, frozen=True):
    """What is kept of a node.

    Args:
        name: Its name.
        kubelet: Its kubelet's version; `UNREADABLE` where it tells none.
        is_virtual: Whether it is left out of the count, see `webhook.core.cluster.VIRTUAL_NODE_LABELS`.

    """

    name: str
    kubelet: Version
    is_virtual: bool = False


def make_node(name: str, labels: Mapping[str, str], kubelet_version: str) -> Node:
    """A node, from the fields of its object."""
    return Node(name, _version(kubelet_version), is_virtual_node(labels))


@lru_cache(maxsize=256)
def _version(text: str) -> Version:
    """A cluster has few versions, so its nodes share them."""
    return read_version(text) or UNREADABLE


class Nodes:
    """The nodes as they are, from a list and the events after it."""

    def __init__(self) -> None:
        """None yet."""
        self._by_name: dict[str, Node] = {}

    def put(self, node: Node) -> bool:
        """A node is there, or is so now; whether that is news. Most events of a node are heartbeats, which are none."""
        is_news = self._by_name.get(node.name) != node
        self._by_name[node.name] = node
        return is_news

    def drop(self, name: str) -> bool:
        """A node is gone; whether it was here."""
        return self._by_name.pop(name, None) is not None

    @property
    def oldest(self) -> Node | None:
        """The one with the oldest kubelet, the first by name among equals, virtual nodes aside; None: there is none."""
        return min((node for node in self._by_name.values() if not node.is_virtual), key=lambda it: (it.kubelet, it.name), default=None)

    @property
    def virtual(self) -> int:
        """How many are virtual."""
        return sum(node.is_virtual for node in self._by_name.values())

    def __len__(self) -> int:
        """How many there are, the virtual ones too."""
        return len(self._by_name)
