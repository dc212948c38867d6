"""A namespace whose pods get Istio's sidecar."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.mesh import INJECTED
from testbed.namespace import MESH_ROOT, wait_until_ready
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace


@contextmanager
def mesh_namespace(node: NodeLevel, **labels: str) -> Iterator[PodNamespace]:
    """A namespace of the mesh; opted in to the webhook unless ``labels`` say otherwise. No pod may be left Running in it."""
    with namespace_on(node, "mesh", **INJECTED, **labels) as namespace:
        # Without istiod's root certificate the proxy waits for its volume.
        wait_until_ready(node.api, namespace.name, MESH_ROOT)
        yield namespace
