"""What the mesh's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.images import catalogue
from cluster.mesh import INJECTED
from cluster.wait import until
from tests.cluster.conftest import new_namespace, wait_for_service_account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.mesh import Mesh
    from tests.cluster.conftest import NodeLevel


@pytest.fixture
def namespace(node: NodeLevel, mesh: Mesh) -> Iterator[str]:
    """A namespace that opted in, to the mesh and to the webhook."""
    with new_namespace(node.api, "mesh", **INJECTED) as name:
        wait_for_service_account(node.api, name)
        # Without istiod's root certificate the proxy waits for its volume.
        root = f"/api/v1/namespaces/{name}/configmaps/istio-ca-root-cert"
        until(lambda: node.api.request("GET", root).is_success, f"{name} has the root certificate of the mesh", 30)
        yield name


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """A shell, with curl and Python."""
    return node.node.load(catalogue.task_bash())
