"""The reaper beside a real Airflow: the executor's slot is free again, and operators get the result of their pods and show its Events.

All runs of pods that the webhook does not see start at once: each of Airflow's two executors has one slot, so the operators work beside
the KubernetesExecutor. The run of a pod that it leaves follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from testbed.wait import until
from tests.e2e.airflow.opting_in import opted_in
from tests.e2e.airflow.test_executor import FULL
from tests.e2e.airflow.test_pod_operator import RETURN, pod_of
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import namespace_on
from tests.e2e.reaper_process import watching_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.airflow.rest import Run
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.reaper_process import ControllerProcess

SECONDS: Final = 300
KILLED: Final = 137
RAN: Final = "the task ran\n"


class OperatorRun(NamedTuple):
    """A run of one operator, and the namespace of its pod."""

    place: PodNamespace
    run: Run


class EndedRuns(NamedTuple):
    """What is left once all runs have ended: that of the executor's two tasks, those of the operators by DAG, and the controller."""

    executor: Run
    operators: dict[str, OperatorRun]
    reaper: ControllerProcess


RESULTS: Final = {
    "plain_xcom": (RETURN, "success", 0),
    "cache_xcom": (RETURN, "success", 0),
    "cache": ("exit 3", "failed", 3),
}
"""What the pod of each DAG runs; the state of its task, and the exit code."""


@pytest.fixture(scope="module")
def places(node: NodeLevel, airflow: Airflow) -> Iterator[dict[str, PodNamespace]]:
    """The namespace of each operator's pod; none has opted in.

    In the mesh the operator itself does not wait for istio-proxy; of a sidecar of another name it waits for the end.
    """
    del airflow
    with mesh_namespace(node, **NOT_OPTED_IN) as in_mesh, namespace_on(node, "outside", **NOT_OPTED_IN) as outside:
        yield {"plain_xcom": in_mesh, "cache_xcom": outside, "cache": outside}


@pytest.fixture(scope="module")
def served(node: NodeLevel, airflow: Airflow) -> Iterator[PodNamespace]:
    """A namespace that has opted in, outside the mesh."""
    del airflow
    with namespace_on(node, "served") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def ended(
    airflow: Airflow, tasks: PodNamespace, places: dict[str, PodNamespace], served: PodNamespace, task_image: str
) -> Iterator[EndedRuns]:
    """The ends of all runs. The reaper starts when the first pod of the executor, from before the opt-in, occupies the slot."""
    executor = airflow.api.run("left")
    operators = {
        dag: OperatorRun(
            place, airflow.api.run(dag, namespace=place.name, image=task_image, script=f"echo the task ran; {RESULTS[dag][0]}")
        )
        for dag, place in places.items()
    }
    wait_until_full(airflow, tasks, executor)
    watched = [f"--namespace={place.name}" for place in (tasks, *places.values(), served)]
    options = (*watched, "--lease", tasks.name, "--unmarked", "--grace", "2")
    with opted_in(tasks), watching_reaper(tasks.level, "reaper-of-airflow", tasks.level.server.kubeconfig, *options) as reaper:
        second = until(lambda: running_host(executor, "second"), "the second task runs", SECONDS)
        tasks.kill_base(second)
        for run in (executor, *(one.run for one in operators.values())):
            run.end(SECONDS)
        yield EndedRuns(executor, operators, reaper)


def wait_until_full(airflow: Airflow, tasks: PodNamespace, executor: Run) -> None:
    """Wait until the first task has succeeded, its pod runs on, and the scheduler finds no slot for the second. TimeoutError."""
    until(lambda: executor.states().get("first") == "success", "the first task succeeds", SECONDS)
    assert tasks.base_end(executor.hosts()["first"])["exitCode"] == 0
    full = airflow.log("scheduler").count(FULL)
    until(lambda: airflow.log("scheduler").count(FULL) > full, "the scheduler finds no slot", SECONDS)


def running_host(run: Run, name: str) -> str:
    """The host of a task that runs; empty: it does not."""
    return next((str(task["hostname"]) for task in run.tasks() if task["task_id"] == name and task["state"] == "running"), "")


def test_the_executors_slot_is_free_again_and_the_next_task_runs(ended: EndedRuns, tasks: PodNamespace) -> None:
    first, second = (ended.executor.hosts()[task] for task in ("first", "second"))

    assert ended.executor.states() == {"first": "success", "second": "failed"}
    assert (tasks.end(first).phase, tasks.end(second).phase) == ("Succeeded", "Failed")
    assert tasks.base_end(second)["exitCode"] == KILLED
    assert tasks.log(second)
    for task, pod in (("first", first), ("second", second)):
        ended.reaper.until_logged("act", pod=pod, method="quit", dag="left", task=task)


@pytest.mark.parametrize("dag", RESULTS)
def test_an_operators_task_and_pod_have_the_result_of_its_container(dag: str, ended: EndedRuns) -> None:
    place, run = ended.operators[dag]
    _, state, code = RESULTS[dag]
    end = place.end(pod_of(run))

    assert run.states() == {"task": state}
    assert (end.phase, (end.terminated("base") or {})["exitCode"]) == ("Failed" if code else "Succeeded", code)
    assert place.log(pod_of(run)) == RAN
    ended.reaper.until_logged("act", pod=pod_of(run), method="quit")


def test_the_log_of_a_failed_operator_has_the_events_of_the_reaper(ended: EndedRuns) -> None:
    """It has those of its pod, since this DAG sets ``log_events_on_failure``."""
    log = ended.operators["cache"].run.log("task")

    assert any(line.startswith("Pod Event: SidecarQuit - ") and "cache" in line for line in log), log


def test_the_log_of_an_operator_has_the_event_of_a_pod_that_was_left_before_it_starts_and_when_it_fails(
    airflow: Airflow, ended: EndedRuns, served: PodNamespace, task_image: str
) -> None:
    """A gate keeps the pod Pending until the operator shows the Event: else the pod might start before the operator reads it."""
    run = airflow.api.run("no_command", namespace=served.name, image=task_image, script="echo the task ran; exit 3")
    pod = until(lambda: pod_of(run), "the operator has a pod", SECONDS)
    ended.reaper.until_logged("pod", pod=pod, notice="TaskPodLeft", dag="no_command", task="task")
    note = until(lambda: note_of(served, pod, "TaskPodLeft"), "the pod has the Event", SECONDS)
    until(lambda: lines_of(run, f"The Pod has an Event: {note}"), "the operator shows it while it waits for the pod", SECONDS)
    assert served.pod(pod)["status"]["phase"] == "Pending"
    served.level.api.patch(served.path(pod), {"spec": {"schedulingGates": None}})

    assert run.end(SECONDS) == "failed"
    assert note.startswith("The webhook left this pod: The main container sets no command")
    assert "After its task, cache may keep it Running." in note
    assert "airflow-sidecar-webhook/entrypoint" in note
    assert len(lines_of(run, f"Pod Event: TaskPodLeft - {note}")) == 1
    assert served.log(pod) == RAN


@pytest.mark.parametrize("dag", [dag for dag in RESULTS if dag.endswith("_xcom")])
def test_what_an_operators_pod_returns_arrives(dag: str, ended: EndedRuns) -> None:
    assert ended.operators[dag].run.xcom("task") == {"rows": 3}


def test_no_pod_is_ended_in_another_way(ended: EndedRuns) -> None:
    assert {line["method"] for line in ended.reaper.logged("act")} == {"quit"}


def note_of(place: PodNamespace, pod: str, reason: str) -> str:
    """The note of the Event with this reason on a pod; empty: there is none."""
    events = place.level.api.get(f"/api/v1/namespaces/{place.name}/events")["items"]
    return next((str(one["message"]) for one in events if (one["involvedObject"]["name"], one["reason"]) == (pod, reason)), "")


def lines_of(run: Run, beginning: str) -> list[str]:
    """The lines of an operator's log that begin with this."""
    return [line for line in run.log("task") if line.startswith(beginning)]
