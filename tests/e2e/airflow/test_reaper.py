"""A pass of the reaper under a real KubernetesExecutor: its slot is free again, and the task of each pod has its own result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.wait import until
from tests.e2e.airflow.opting_in import opted_in
from tests.e2e.airflow.test_executor import FULL
from tests.e2e.reaping import methods, pods_of, reap

if TYPE_CHECKING:
    from testbed.airflow.installation import Airflow
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

TASK_SECONDS: Final = 180
KILLED: Final = 137


def swept(place: PodNamespace, *arguments: str) -> dict[str, JSONObject]:
    """The report of a pass on a namespace, by pod."""
    return pods_of(reap(place.level.server.kubeconfig, "-n", place.name, "--grace", "0", *arguments))


def test_the_executors_slot_is_free_again_after_a_pod_from_before_the_webhook_and_after_one_whose_wrapper_was_killed(
    airflow: Airflow, tasks: PodNamespace
) -> None:
    run = airflow.api.run("left")
    until(lambda: run.states().get("first") == "success", "the first task succeeds", TASK_SECONDS)
    first = run.hosts()["first"]
    assert tasks.base_end(first)["exitCode"] == 0
    full = airflow.log("scheduler").count(FULL)
    until(lambda: airflow.log("scheduler").count(FULL) > full, "the scheduler finds no slot", TASK_SECONDS)
    with opted_in(tasks):
        report = swept(tasks, "--unmarked")[first]
        until(lambda: run.states()["second"] == "running", "the second task runs", TASK_SECONDS)
        second = run.hosts()["second"]
        kill_container(tasks, second)
        reports = swept(tasks)
        assert run.end(TASK_SECONDS) == "failed"

    assert (methods(report), methods(reports[second])) == (["quit"], ["quit"])
    assert (tasks.end(first).phase, tasks.end(second).phase) == ("Succeeded", "Failed")
    assert run.states() == {"first": "success", "second": "failed"}


def kill_container(tasks: PodNamespace, pod: str) -> None:
    """End a task's container as the kernel ends one that is out of memory: process 1, the wrapper, and with it all others."""
    (base,) = [one for one in tasks.pod(pod)["status"]["containerStatuses"] if one["name"] == "base"]
    tasks.level.node.ctr("tasks", "kill", "--signal", "SIGKILL", base["containerID"].removeprefix("containerd://"))
    assert tasks.base_end(pod)["exitCode"] == KILLED
