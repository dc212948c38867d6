"""The images of the node's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.images import catalogue
from tests.cluster.conftest import new_namespace, wait_for_service_account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.conftest import NodeLevel


@pytest.fixture
def namespace(node: NodeLevel) -> Iterator[str]:
    """A namespace that opted in, ready for pods."""
    with new_namespace(node.api, "node") as name:
        wait_for_service_account(node.api, name)
        yield name


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """A shell."""
    return node.node.load(catalogue.task())


@pytest.fixture(scope="session")
def agent_image(node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return node.node.load(catalogue.stand_in_istio_agent())
