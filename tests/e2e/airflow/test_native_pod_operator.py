"""The KubernetesPodOperator in a mesh whose sidecars become native: the same three sentences as for wrapped pods, and which sidecar is native."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.airflow.test_pod_operator import RETURN, TASK_SECONDS, pod_of
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.mesh.task import status_of
from tests.e2e.node.native import native, selecting, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace

ENDS = {"plain": {"istio-proxy": "native"}, "cache": {"istio-proxy": "native", "cache": "quit"}}
"""What becomes of each sidecar, by DAG: the user's own one is described with a quit and no word of native."""


@pytest.fixture(scope="module")
def able(node: NodeLevel, airflow: Airflow) -> Iterator[PodNamespace]:
    """A namespace of the mesh whose webhook watches the node and uses native sidecars."""
    del airflow
    with (
        watching(node, "operator-watcher") as level,
        selecting(level, "airflow-sidecar-webhook-operator") as labels,
        mesh_namespace(level, **labels) as namespace,
    ):
        yield namespace


@pytest.mark.parametrize("dag", ENDS)
def test_its_pod_ends_and_its_task_with_it(airflow: Airflow, able: PodNamespace, task_image: str, dag: str) -> None:
    run = airflow.api.run(dag, namespace=able.name, image=task_image, script="exit 0")
    assert run.end(TASK_SECONDS) == "success"
    end = able.end(pod_of(run))
    assert (end.phase, native(end.pod), status_of(end.pod)["sidecars"]) == ("Succeeded", ["istio-proxy"], ENDS[dag])


@pytest.mark.parametrize("dag", ["plain_xcom", "cache_xcom"])
def test_what_it_returns_arrives(airflow: Airflow, able: PodNamespace, task_image: str, dag: str) -> None:
    """A native sidecar runs on until the XCom sidecar has ended, too."""
    run = airflow.api.run(dag, namespace=able.name, image=task_image, script=RETURN)
    assert run.end(TASK_SECONDS) == "success"
    assert run.xcom("task") == {"rows": 3}
    assert able.end(pod_of(run)).phase == "Succeeded"


@pytest.mark.parametrize("dag", ENDS)
def test_a_failure_is_a_failure_with_its_code(airflow: Airflow, able: PodNamespace, task_image: str, dag: str) -> None:
    run = airflow.api.run(dag, namespace=able.name, image=task_image, script="exit 3")
    assert run.end(TASK_SECONDS) == "failed"
    assert any("Container 'base'" in line and "exit_code=3" in line for line in run.log("task"))
    assert able.end(pod_of(run)).phase == "Failed"
