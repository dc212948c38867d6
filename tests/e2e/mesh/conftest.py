"""Namespaces of the mesh, by the order of Istio's webhook and this one, and servers that tasks call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.images import catalogue
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.mesh.secrets_agent import PORT, TOKEN_REVIEWS, server
from tests.e2e.mesh.server import serve
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.native import selecting, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from testbed.mesh import Mesh
    from tests.e2e.node.namespace import PodNamespace

VERSIONED: Final = "localhost/proxyv2:1.31.0"


@pytest.fixture(scope="module")
def namespace(node: NodeLevel, mesh: Mesh) -> Iterator[PodNamespace]:
    """A namespace that opted in, to the mesh and to the webhook."""
    del mesh
    with mesh_namespace(node) as opted_in:
        yield opted_in


@pytest.fixture(scope="session")
def watcher(node: NodeLevel, mesh: Mesh) -> Iterator[NodeLevel]:
    """The node with a webhook that watches it, and so knows that Istio is installed."""
    del mesh
    with watching(node, "watcher") as level:
        yield level


@pytest.fixture(scope="session")
def _before_istio(watcher: NodeLevel) -> Iterator[dict[str, str]]:
    with selecting(watcher, "airflow-sidecar-webhook-watcher") as labels:
        yield labels


@pytest.fixture(scope="session")
def _after_istio(watcher: NodeLevel) -> Iterator[dict[str, str]]:
    with selecting(watcher, "zzz-airflow-sidecar-webhook-watcher") as labels:
        yield labels


@pytest.fixture(scope="module")
def rendered(node: NodeLevel, mesh: Mesh) -> Iterator[PodNamespace]:
    """A namespace of the mesh that did not opt in: its pods are as Istio renders them."""
    del mesh
    with mesh_namespace(node, **NOT_OPTED_IN) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def hinted(watcher: NodeLevel, _before_istio: dict[str, str]) -> Iterator[PodNamespace]:
    """One in which the webhook is called before Istio's, so that Istio reads the annotation that it sets."""
    with mesh_namespace(watcher, **_before_istio) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def converted(watcher: NodeLevel, _after_istio: dict[str, str]) -> Iterator[PodNamespace]:
    """One in which Istio is called first, and renders a regular container, which the webhook converts."""
    with mesh_namespace(watcher, **_after_istio) as namespace:
        yield namespace


@pytest.fixture(scope="module", params=["hinted", "converted"])
def way(request: pytest.FixtureRequest) -> PodNamespace:
    """A namespace in which istio-proxy becomes native, in each of the ways, which are fixtures."""
    namespace: PodNamespace = request.getfixturevalue(request.param)
    return namespace


@pytest.fixture(scope="session")
def versioned_image(node: NodeLevel, mesh: Mesh) -> dict[str, str]:
    """The annotation that makes Istio use the same proxy under a tag with its version, as real images have."""
    node.node.ctr("images", "tag", "--force", mesh.proxy_image, VERSIONED)
    return {"sidecar.istio.io/proxyImage": VERSIONED}


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


@pytest.fixture(scope="module")
def agent_image(node: NodeLevel) -> str:
    """The image of OpenBao."""
    return node.node.load(catalogue.secrets_agent())


@pytest.fixture(scope="module")
def secrets_server(node: NodeLevel, agent_image: str) -> Iterator[str]:
    """The URL of a secrets server outside the mesh."""
    node.api.create(TOKEN_REVIEWS)
    with serve(node, "secrets", server(agent_image), PORT) as url:
        yield url
    node.api.delete(path_of(TOKEN_REVIEWS))
