"""A task that runs again: in the same pod beside the same sidecars, or in a new pod of its Job."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import pytest

from testbed.wait import until
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from tests.support.pods import FIXTURES

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


RUNS_UNTIL = "echo run >>/shared/runs; [ $(wc -l </shared/runs) -ge {} ]"
"""Fails until it has run this often."""

MOUNT = [{"name": "shared", "mountPath": "/shared"}]
ON_FAILURE: JSONObject = {"restartPolicy": "OnFailure", "volumes": [{"name": "shared", "emptyDir": {}}]}
JOB = json.loads((FIXTURES / "airflow-3.3.2-provider-10.25.0" / "kjo_job.json").read_text("utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> None:
    base, proxy = shell(task_image, RUNS_UNTIL.format(3), volumeMounts=MOUNT), stand_in_proxy(agent_image)
    namespace.create(operator_pod(namespace.name, "fails-twice", base, proxy, **ON_FAILURE))
    bystander.create(operator_pod(bystander.name, "fails-twice", base, **ON_FAILURE))
    namespace.create(job(namespace.name, "tried-again", shell(task_image, RUNS_UNTIL.format(2), volumeMounts=MOUNT), proxy, retries=1))
    namespace.create(job(namespace.name, "given-up", shell(task_image, "exit 3"), proxy, retries=0))


def job(namespace: str, name: str, base: JSONObject, proxy: JSONObject, retries: int) -> JSONObject:
    """The Job that a KubernetesJobOperator sent, with a test's task, as an injector leaves its pods; the pods share a folder of the node."""
    sent: JSONObject = copy.deepcopy(JOB)
    sent["metadata"] |= {"name": name, "namespace": namespace}
    sent["spec"]["backoffLimit"] = retries
    template = sent["spec"]["template"]
    pod = operator_pod(namespace, name, base, proxy)
    template["metadata"] |= {"namespace": namespace, "annotations": pod["metadata"]["annotations"]}
    volumes = [{"name": "shared", "hostPath": {"path": f"/run/{namespace}-{name}", "type": "DirectoryOrCreate"}}]
    template["spec"] |= {"containers": pod["spec"]["containers"], "volumes": volumes}
    return sent


def restarts(pod: JSONObject) -> dict[str, int]:
    """How often each container was started again."""
    return {status["name"]: status["restartCount"] for status in pod["status"]["containerStatuses"]}


def conditions(namespace: PodNamespace, name: str) -> set[str]:
    """The true conditions of a Job."""
    status = namespace.level.api.get(f"/apis/batch/v1/namespaces/{namespace.name}/jobs/{name}")["status"]
    return {condition["type"] for condition in status.get("conditions", ()) if condition["status"] == "True"}


def codes(namespace: PodNamespace, name: str) -> list[tuple[int, int]]:
    """How task and proxy ended in each pod of a Job, the first pod first."""
    path = f"/api/v1/namespaces/{namespace.name}/pods"
    items = namespace.level.api.request("GET", path, labelSelector=f"job-name={name}").json()["items"]
    ends = [namespace.end(pod["metadata"]["name"]) for pod in sorted(items, key=lambda pod: str(pod["status"]["startTime"]))]
    return [tuple((end.terminated(one) or {})["exitCode"] for one in ("base", "istio-proxy")) for end in ends]


def test_a_task_that_fails_twice_runs_three_times_beside_one_proxy_that_ends_after_the_third(
    namespace: PodNamespace, bystander: PodNamespace
) -> None:
    end = namespace.end("fails-twice")
    assert end.phase == bystander.end("fails-twice").phase == "Succeeded"
    assert restarts(end.pod) == {**restarts(bystander.end("fails-twice").pod), "istio-proxy": 0} == {"base": 2, "istio-proxy": 0}
    quits = [event for event in namespace.agent_events("fails-twice") if event.get("path") == "/quitquitquit"]
    assert len(quits) == 1
    base, proxy = end.terminated("base"), end.terminated("istio-proxy")
    assert base
    assert proxy
    assert proxy["finishedAt"] >= base["startedAt"]


def test_a_job_whose_first_pod_fails_completes_with_its_second(namespace: PodNamespace) -> None:
    until(lambda: conditions(namespace, "tried-again") & {"Complete", "Failed"}, "the Job ends", SECONDS)
    assert "Complete" in conditions(namespace, "tried-again")
    assert codes(namespace, "tried-again") == [(1, 0), (0, 0)]


def test_a_job_without_retries_fails_with_its_pod(namespace: PodNamespace) -> None:
    until(lambda: conditions(namespace, "given-up") & {"Complete", "Failed"}, "the Job ends", SECONDS)
    assert "Failed" in conditions(namespace, "given-up")
    assert codes(namespace, "given-up") == [(3, 0)]
