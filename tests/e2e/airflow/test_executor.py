"""The KubernetesExecutor with one slot, in the mesh."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from testbed.wait import until
from tests.e2e.airflow.opting_in import opted_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.airflow.installation import Airflow
    from testbed.airflow.rest import Run
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace

FULL: Final = "Executor parallelism limit reached. 0 open slots."
ROUNDS: Final = 20
"""Rounds of the scheduler without a free slot that count as never: half a second each, or more."""

TASK_SECONDS: Final = 180
DRAIN_SECONDS: Final = 400


def test_a_pod_that_never_ends_stops_airflow_and_with_the_webhook_ten_tasks_run_through(
    airflow: Airflow, tasks: PodNamespace, measured: list[str]
) -> None:
    run = airflow.api.run("many")
    stuck = first_pod(run)
    assert tasks.base_end(stuck)["exitCode"] == 0
    assert_nothing_moves(airflow, run, tasks, stuck)
    with opted_in(tasks):
        tasks.delete(stuck, 1)
        assert run.end(DRAIN_SECONDS) == "success"
        ends = {host: tasks.end(host) for host in run.hosts().values() if host != stuck}
        tasks.wait_until_nothing_runs()
    assert set(run.states().values()) == {"success"}
    assert [end.phase for end in ends.values()] == ["Succeeded"] * 10
    measured.append(summary(tasks, ends))


def test_a_task_whose_container_is_killed_fails_as_it_does_without_a_proxy(airflow: Airflow, tasks: PodNamespace) -> None:
    with opted_in(tasks):
        run = airflow.api.run("killed")
        assert run.end(TASK_SECONDS) == "failed"
    assert run.states() == {"beside_a_proxy": "failed", "alone": "failed"}
    ends = {task: tasks.end(host) for task, host in run.hosts().items()}
    assert {task: containers(end) for task, end in ends.items()} == {"beside_a_proxy": ["base", "istio-proxy"], "alone": ["base"]}
    assert {task: end.phase for task, end in ends.items()} == {"beside_a_proxy": "Failed", "alone": "Failed"}
    assert {task: exit_code(end) for task, end in ends.items()} == {"beside_a_proxy": 137, "alone": 137}


def first_pod(run: Run) -> str:
    """The pod of the first task that succeeds."""
    until(lambda: "success" in run.states().values(), "a task succeeds", TASK_SECONDS)
    done = next(task for task, state in run.states().items() if state == "success")
    return run.hosts()[done]


def assert_nothing_moves(airflow: Airflow, run: Run, tasks: PodNamespace, stuck: str) -> None:
    """Assert that for many rounds a pod whose task is done occupies the slot, and the other tasks wait."""
    rounds = airflow.log("scheduler").count(FULL)
    until(lambda: airflow.log("scheduler").count(FULL) > rounds + ROUNDS, "the scheduler finds no slot", TASK_SECONDS)
    assert sorted(map(str, run.states().values())) == ["scheduled"] * 10 + ["success"]
    assert tasks.pod(stuck)["status"]["phase"] == "Running"


def containers(end: Moment) -> list[str]:
    """The names of a pod's containers."""
    return [container["name"] for container in end.pod["spec"]["containers"]]


def exit_code(end: Moment) -> int:
    """The code of ``base``."""
    return int((end.terminated("base") or {})["exitCode"])


def summary(tasks: PodNamespace, ends: dict[str, Moment]) -> str:
    """How long pods took, from one to the next and from their task's end to their own."""
    seconds = list(from_base_to_end(tasks, ends))
    began = sorted(tasks.level.recorder.moments(tasks.name, host)[0].seconds for host in ends)
    each = (max(end.seconds for end in ends.values()) - began[0]) / len(ends)
    return f"Airflow with one slot: {each:.1f} s a task; from its end to its pod's {median(seconds):.1f} s (at most {max(seconds):.1f} s)"


def from_base_to_end(tasks: PodNamespace, ends: dict[str, Moment]) -> Iterator[float]:
    """Seconds from each task's end to its pod's end, during which it occupied a slot."""
    for host, end in ends.items():
        base = tasks.when(host, lambda moment: moment.terminated("base") is not None, "has a base that ended")
        yield end.seconds - base.seconds
