"""The namespaces and images of the node's tests. Each file makes its pods at once, and then looks at one after the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from cluster import binaries, levels
from cluster.images import catalogue
from cluster.node import NAME
from cluster.wait import until
from tests.cluster.api_server.submission import NOT_OPTED_IN
from tests.cluster.conftest import LOGS, find, starting
from tests.cluster.node.installation import Installation, load_webhook_image
from tests.cluster.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.levels import NodeLevel
    from tests.cluster.node.namespace import Namespace


LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NAME}"
LEASE_SECONDS: Final = 60


@pytest.fixture(scope="module")
def namespace(node: NodeLevel) -> Iterator[Namespace]:
    """One that opted in."""
    with namespace_on(node, "node") as opted_in:
        yield opted_in


@pytest.fixture(scope="module")
def bystander(node: NodeLevel) -> Iterator[Namespace]:
    """One that did not: pods are there as they are without us."""
    with namespace_on(node, "bystander", **NOT_OPTED_IN) as other:
        yield other


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """A shell."""
    return node.node.load(catalogue.task())


@pytest.fixture(scope="session")
def bash_image(node: NodeLevel) -> str:
    """Bash, curl and Python."""
    return node.node.load(catalogue.task_bash())


@pytest.fixture(scope="session")
def airflow_image(node: NodeLevel) -> str:
    """Airflow's entry point and user, with a stand-in for Airflow."""
    return node.node.load(catalogue.airflow_like())


@pytest.fixture(scope="session")
def shell_less_image(node: NodeLevel) -> str:
    """One static program, no shell."""
    return node.node.load(catalogue.distroless())


@pytest.fixture(scope="session")
def agent_image(node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return node.node.load(catalogue.stand_in_istio_agent())


@pytest.fixture(scope="session")
def clean_node(node: NodeLevel) -> Iterator[NodeLevel]:
    """Another node, with no webhook of ours registered, for those who install it."""
    del node  # for its skips: what it lacks is lacking here, too
    find(binaries.HELM, binaries.KUBECTL)
    with ExitStack() as ends:
        with starting("node, clean"):
            level = ends.enter_context(levels.node())
            LOGS.add(level.place.logs)
            # The last that the cluster makes for itself: the kubelet makes it a while after its node is ready.
            until(lambda: level.api.request("GET", LEASE).is_success, "the node has its lease", LEASE_SECONDS)
        yield level


@pytest.fixture(scope="session")
def clean_installation(clean_node: NodeLevel) -> Installation:
    """Nothing yet."""
    return Installation(clean_node, load_webhook_image(clean_node.node))


@pytest.fixture(scope="session")
def clean_task_image(clean_node: NodeLevel) -> str:
    """A shell."""
    return clean_node.node.load(catalogue.task())


@pytest.fixture(scope="session")
def clean_agent_image(clean_node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return clean_node.node.load(catalogue.stand_in_istio_agent())
