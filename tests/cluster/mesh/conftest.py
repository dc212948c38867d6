"""What the mesh's tests share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cluster.images import catalogue
from cluster.mesh import INJECTED
from cluster.namespace import MESH_ROOT, wait_until_ready
from tests.cluster.mesh.server import serve
from tests.cluster.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.levels import NodeLevel
    from cluster.mesh import Mesh
    from tests.cluster.node.namespace import Namespace


@contextmanager
def mesh_namespace(node: NodeLevel, **labels: str) -> Iterator[Namespace]:
    """A namespace of the mesh; it opted in to the webhook unless ``labels`` say otherwise."""
    with namespace_on(node, "mesh", **INJECTED, **labels) as namespace:
        # Without istiod's root certificate the proxy waits for its volume.
        wait_until_ready(node.api, namespace.name, MESH_ROOT)
        yield namespace


@pytest.fixture(scope="module")
def namespace(node: NodeLevel, mesh: Mesh) -> Iterator[Namespace]:
    """A namespace that opted in, to the mesh and to the webhook."""
    del mesh
    with mesh_namespace(node) as opted_in:
        yield opted_in


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """A shell, with curl and Python."""
    return node.node.load(catalogue.task_bash())


@pytest.fixture(scope="session")
def web(node: NodeLevel) -> Iterator[str]:
    """The URL of a server outside the mesh, by its Service."""
    program = "mkdir /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"
    container = {"image": node.node.load(catalogue.task()), "command": ["/bin/sh", "-c", program]}
    with serve(node, "web", container, 8080) as url:
        yield url
