"""Nodes as objects without a kubelet: only the webhook reads them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient


def make_node(api: ApiClient, name: str, kubelet: str, **labels: str) -> None:
    """Create a node as a kubelet of this version does. ApiError."""
    metadata = {"name": name, "labels": labels}
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"nodeInfo": {"kubeletVersion": kubelet}}})


def set_kubelet(api: ApiClient, name: str, kubelet: str) -> None:
    """Change the version of a node's kubelet. ApiError."""
    api.patch(f"/api/v1/nodes/{name}/status", {"status": {"nodeInfo": {"kubeletVersion": kubelet}}})


def remove_node(api: ApiClient, name: str) -> None:
    """Delete a node. ApiError."""
    api.delete(f"/api/v1/nodes/{name}")


@contextmanager
def nodes(api: ApiClient, **kubelets: str) -> Iterator[None]:
    """Nodes by name, with their kubelets' versions, for one test."""
    try:
        for name, kubelet in kubelets.items():
            make_node(api, name, kubelet)
        yield
    finally:
        for node in api.get("/api/v1/nodes")["items"]:
            remove_node(api, node["metadata"]["name"])
