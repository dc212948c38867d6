"""Airflow as a fixture."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from testbed import levels
from testbed.images import catalogue
from tests.e2e.levels import timed_start
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.namespaces import NOT_OPTED_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.levels import NodeLevel
    from testbed.mesh import Mesh
    from tests.e2e.node.namespace import PodNamespace

DAGS: Final = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def tasks(node: NodeLevel, mesh: Mesh) -> Iterator[PodNamespace]:
    """The namespace of the executor's pods: in the mesh, and not opted in."""
    del mesh
    with mesh_namespace(node, **NOT_OPTED_IN) as namespace:
        yield namespace


@pytest.fixture(scope="session")
def airflow(node: NodeLevel, tasks: PodNamespace) -> Iterator[Airflow]:
    """Airflow with one slot."""
    with ExitStack() as ends:
        with timed_start("Airflow"):
            airflow = ends.enter_context(levels.airflow(node.node, tasks.name, DAGS))
        yield airflow


@pytest.fixture(scope="session")
def task_image(node: NodeLevel) -> str:
    """The image with a shell."""
    return node.node.load(catalogue.task())
