"""The namespaces and images of the node's tests. Each file makes its pods at once, and then looks at one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.images import catalogue
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import Namespace


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
