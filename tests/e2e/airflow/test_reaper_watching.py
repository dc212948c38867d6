"""Airflow in a mesh without the webhook: with the reaper the executor's slot becomes free, and operators get the result of their pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.airflow.test_executor import DRAIN_SECONDS
from tests.e2e.airflow.test_pod_operator import RETURN, TASK_SECONDS, pod_of
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.reaper_process import watching_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.reaper_process import ControllerProcess

GRACE: Final = ("--unmarked", "--grace", "2")
"""No pod here carries the webhook's status: it was down, so to speak, when they were created."""


@pytest.fixture
def of_operators(node: NodeLevel, airflow: Airflow) -> Iterator[PodNamespace]:
    """A namespace of the mesh that did not opt in."""
    del airflow
    with mesh_namespace(node, **NOT_OPTED_IN) as namespace:
        yield namespace


@pytest.fixture
def reaper(node: NodeLevel, tasks: PodNamespace, of_operators: PodNamespace) -> Iterator[ControllerProcess]:
    """A controller of both namespaces."""
    options = ("-n", tasks.name, "-n", of_operators.name, "--lease", of_operators.name, *GRACE)
    with watching_reaper(node, "reaper-of-airflow", node.server.kubeconfig, *options) as reaper:
        reaper.until_logged("acting")
        yield reaper


def test_the_executors_only_slot_becomes_free_after_each_task(airflow: Airflow, tasks: PodNamespace, reaper: ControllerProcess) -> None:
    run = airflow.api.run("many")
    assert run.end(DRAIN_SECONDS) == "success"
    ends = {host: tasks.end(host) for host in run.hosts().values()}
    tasks.wait_until_nothing_runs()

    assert set(run.states().values()) == {"success"}
    assert [end.phase for end in ends.values()] == ["Succeeded"] * len(ends)
    assert {line["method"] for line in reaper.logged("act")} == {"quit"}
    assert {line["pod"] for line in reaper.logged("act")} == set(ends)
    assert {line["dag"] for line in reaper.logged("act")} == {"many"}


@pytest.mark.parametrize("dag", ["plain", "cache"])
def test_an_operators_pod_ends_with_its_result(
    airflow: Airflow, of_operators: PodNamespace, reaper: ControllerProcess, task_image: str, dag: str
) -> None:
    run = airflow.api.run(dag, namespace=of_operators.name, image=task_image, script="exit 0")
    assert run.end(TASK_SECONDS) == "success"
    assert of_operators.end(pod_of(run)).phase == "Succeeded"
    assert reaper.logged("act", pod=pod_of(run))


@pytest.mark.parametrize("dag", ["plain_xcom", "cache_xcom"])
def test_what_an_operators_pod_returns_arrives(
    airflow: Airflow, of_operators: PodNamespace, reaper: ControllerProcess, task_image: str, dag: str
) -> None:
    run = airflow.api.run(dag, namespace=of_operators.name, image=task_image, script=RETURN)
    assert run.end(TASK_SECONDS) == "success"
    assert run.xcom("task") == {"rows": 3}
    assert of_operators.end(pod_of(run)).phase == "Succeeded"
    assert reaper.logged("act", pod=pod_of(run))


def test_an_operators_failed_pod_is_failed(
    airflow: Airflow, of_operators: PodNamespace, reaper: ControllerProcess, task_image: str
) -> None:
    run = airflow.api.run("plain", namespace=of_operators.name, image=task_image, script="exit 3")
    assert run.end(TASK_SECONDS) == "failed"
    end = of_operators.end(pod_of(run))
    assert (end.phase, (end.terminated("base") or {})["exitCode"]) == ("Failed", 3)
    assert reaper.logged("act", pod=pod_of(run))
