"""A node with nothing of ours on it, for those who install it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed import binaries
from testbed.images import catalogue
from testbed.node import NAME
from testbed.wait import until
from tests.e2e.conftest import bare_node_level, find
from tests.e2e.installation.installation import Installation, load_webhook_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel


LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NAME}"
LEASE_SECONDS: Final = 60


@contextmanager
def clean_node_level(name: str) -> Iterator[NodeLevel]:
    """A node that has made all that it makes for itself."""
    find(binaries.HELM, binaries.KUBECTL)
    with bare_node_level(name) as level:
        # The kubelet makes its lease a while after its node is ready: nothing comes after it.
        until(lambda: level.api.request("GET", LEASE).is_success, "the node has its lease", LEASE_SECONDS)
        yield level


@pytest.fixture(scope="session")
def clean_node() -> Iterator[NodeLevel]:
    """One for all that leave nothing behind."""
    with clean_node_level("node, clean") as level:
        yield level


@pytest.fixture(scope="session")
def installation(clean_node: NodeLevel) -> Installation:
    """Nothing yet."""
    return Installation(clean_node, load_webhook_image(clean_node.node))


@pytest.fixture(scope="session")
def task_image(clean_node: NodeLevel) -> str:
    """A shell."""
    return clean_node.node.load(catalogue.task())


@pytest.fixture(scope="session")
def agent_image(clean_node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return clean_node.node.load(catalogue.stand_in_istio_agent())
