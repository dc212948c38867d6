"""Namespaces and images on the node. Each file of tests creates its pods at once, so that they run while the first tests wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from testbed.images import catalogue
from tests.e2e.levels import node_level
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import namespace_on
from tests.e2e.node.untouched_pods import UntouchedPods
from tests.e2e.reaper_process import watching_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.reaper_process import ControllerProcess

EVERY_METHOD: Final = ("--methods", "quit,exec,deadline")


@pytest.fixture(scope="package")
def node() -> Iterator[NodeLevel]:
    """A cluster of one node, ended after the last test of this folder."""
    with node_level() as level:
        yield level


@pytest.fixture(scope="module")
def namespace(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace that opted in."""
    with namespace_on(node, "node") as opted_in:
        yield opted_in


@pytest.fixture(scope="module")
def bystander(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace that did not opt in: its pods are not patched."""
    with namespace_on(node, "bystander", **NOT_OPTED_IN) as other:
        yield other


@pytest.fixture(scope="package")
def task_image(node: NodeLevel) -> str:
    """An image with a shell."""
    return node.node.load(catalogue.task())


@pytest.fixture(scope="package")
def bash_image(node: NodeLevel) -> str:
    """An image with bash, curl and Python."""
    return node.node.load(catalogue.task_bash())


@pytest.fixture(scope="package")
def airflow_image(node: NodeLevel) -> str:
    """An image with Airflow's entry point and user, and a stand-in for Airflow."""
    return node.node.load(catalogue.airflow_like())


@pytest.fixture(scope="package")
def shell_less_image(node: NodeLevel) -> str:
    """An image with one static program and no shell."""
    return node.node.load(catalogue.distroless())


@pytest.fixture(scope="package")
def agent_image(node: NodeLevel) -> str:
    """An image with the stand-in for Istio's agent."""
    return node.node.load(catalogue.stand_in_istio_agent())


@pytest.fixture(scope="package")
def untouched(node: NodeLevel, task_image: str, agent_image: str) -> Iterator[UntouchedPods]:
    """Pods that the reaper must not touch. They stay until the last test of this folder, so that they are watched for minutes."""
    with namespace_on(node, "untouched") as place:
        pods = UntouchedPods(place, task_image, agent_image)
        yield pods
        pods.delete()


@pytest.fixture(scope="package")
def unsparing_reaper(untouched: UntouchedPods) -> Iterator[ControllerProcess]:
    """A controller beside them that may use every method, at once and on every pod."""
    place = untouched.place
    options = (f"--namespace={place.name}", f"--lease={place.name}", "--unmarked", "--end-successful", "--grace=0", *EVERY_METHOD)
    with watching_reaper(place.level, "unsparing-reaper", place.level.server.kubeconfig, *options) as reaper:
        reaper.until_logged("lease taken")
        yield reaper
