"""The images of the node's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.images import catalogue
from cluster.wait import until
from tests.cluster.conftest import new_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.conftest import NodeLevel


@pytest.fixture
def namespace(node: NodeLevel) -> Iterator[str]:
    """A namespace that opted in, ready for pods."""
    with new_namespace(node.api, "node") as name:
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        until(lambda: node.api.request("GET", path).is_success, f"{name} has its service account", 20)
        yield name


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """A shell."""
    return node.node.load(catalogue.task())


@pytest.fixture(scope="session")
def agent_image(node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return node.node.load(catalogue.stand_in_istio_agent())
