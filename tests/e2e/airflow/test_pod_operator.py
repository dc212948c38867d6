"""The KubernetesPodOperator, with XCom and without, beside Istio's proxy and beside a sidecar of its user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import pytest

from testbed.wait import until
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import ENDED, namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.airflow.rest import Run
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace

TASK_SECONDS: Final = 180
STILL: Final = "has phase Running"
ROUNDS: Final = 5
"""Polls of the operator, every two seconds, that count as polling for ever."""

OBSERVED_SECONDS: Final = 10
RETURN: Final = "echo '{\"rows\": 3}' > /airflow/xcom/return.json"


@pytest.fixture(scope="module")
def in_mesh(node: NodeLevel, airflow: Airflow) -> Iterator[PodNamespace]:
    """A namespace of the mesh that opted in."""
    del airflow
    with mesh_namespace(node) as namespace:
        yield namespace


@pytest.fixture
def in_mesh_without_webhook(node: NodeLevel, airflow: Airflow) -> Iterator[PodNamespace]:
    """A namespace of the mesh that did not."""
    del airflow
    with mesh_namespace(node, **NOT_OPTED_IN) as namespace:
        yield namespace


@pytest.fixture
def outside(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace outside the mesh that opted in."""
    with namespace_on(node, "outside") as namespace:
        yield namespace


@pytest.fixture
def outside_without_webhook(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace outside the mesh that did not."""
    with namespace_on(node, "outside", **NOT_OPTED_IN) as namespace:
        yield namespace


@pytest.mark.parametrize("dag", ["plain", "cache"])
def test_its_pod_ends_and_its_task_with_it(airflow: Airflow, in_mesh: PodNamespace, task_image: str, dag: str) -> None:
    run = airflow.api.run(dag, namespace=in_mesh.name, image=task_image, script="exit 0")
    assert run.end(TASK_SECONDS) == "success"
    assert in_mesh.end(pod_of(run)).phase == "Succeeded"


@pytest.mark.parametrize("dag", ["plain_xcom", "cache_xcom"])
def test_what_it_returns_arrives(airflow: Airflow, in_mesh: PodNamespace, task_image: str, dag: str) -> None:
    run = airflow.api.run(dag, namespace=in_mesh.name, image=task_image, script=RETURN)
    assert run.end(TASK_SECONDS) == "success"
    assert run.xcom("task") == {"rows": 3}
    assert in_mesh.end(pod_of(run)).phase == "Succeeded"


@pytest.mark.parametrize("dag", ["plain", "cache"])
def test_a_failure_is_a_failure_with_its_code(airflow: Airflow, in_mesh: PodNamespace, task_image: str, dag: str) -> None:
    run = airflow.api.run(dag, namespace=in_mesh.name, image=task_image, script="exit 3")
    assert run.end(TASK_SECONDS) == "failed"
    assert any("Container 'base'" in line and "exit_code=3" in line for line in run.log("task"))
    assert in_mesh.end(pod_of(run)).phase == "Failed"


def test_it_skips_its_task_by_the_code_of_its_container(airflow: Airflow, in_mesh: PodNamespace, task_image: str) -> None:
    run = airflow.api.run("plain", namespace=in_mesh.name, image=task_image, script="exit 99")
    run.end(TASK_SECONDS)
    assert run.states() == {"task": "skipped"}
    assert in_mesh.end(pod_of(run)).phase == "Failed"


def test_without_the_webhook_it_waits_on_beside_a_sidecar_of_another_name(
    airflow: Airflow, outside_without_webhook: PodNamespace, task_image: str
) -> None:
    run = airflow.api.run("cache", namespace=outside_without_webhook.name, image=task_image, script="exit 0")
    pod = until(lambda: pod_of(run), "the operator has a pod", TASK_SECONDS)
    assert outside_without_webhook.base_end(pod)["exitCode"] == 0
    before = polls(run)
    until(lambda: polls(run) > before + ROUNDS, "the operator goes on polling", TASK_SECONDS)
    assert run.states() == {"task": "running"}
    assert outside_without_webhook.pod(pod)["status"]["phase"] == "Running"
    outside_without_webhook.delete(pod, 1)
    assert run.end(TASK_SECONDS) == "failed"


def test_with_the_webhook_it_does_not(airflow: Airflow, outside: PodNamespace, task_image: str) -> None:
    run = airflow.api.run("cache", namespace=outside.name, image=task_image, script="exit 0")
    assert run.end(TASK_SECONDS) == "success"
    assert outside.end(pod_of(run)).phase == "Succeeded"


def test_without_the_webhook_it_knows_istio_but_leaves_a_pod_that_runs_on(
    airflow: Airflow, in_mesh_without_webhook: PodNamespace, task_image: str
) -> None:
    run = airflow.api.run("plain", namespace=in_mesh_without_webhook.name, image=task_image, script="exit 0")
    assert run.end(TASK_SECONDS) == "success"
    pod = pod_of(run)
    with pytest.raises(TimeoutError):
        in_mesh_without_webhook.level.recorder.first(
            in_mesh_without_webhook.name, pod, lambda moment: moment.phase in ENDED, "ends", OBSERVED_SECONDS
        )
    in_mesh_without_webhook.delete(pod, 1)


def pod_of(run: Run) -> str:
    """The name of the operator's pod; empty before it has one."""
    try:
        return str(run.xcom("task", "pod_name"))
    except httpx.HTTPStatusError:
        return ""


def polls(run: Run) -> int:
    """How often the operator has found its pod running."""
    return sum(STILL in line for line in run.log("task"))
