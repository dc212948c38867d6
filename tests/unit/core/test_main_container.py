"""Which container is the task's: what the user, Airflow or an earlier review says, and never the order."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from webhook.core.catalogue import Catalogue
from webhook.core.names import MAIN_CONTAINER_ANNOTATION, OUTLIVES_TASK_ANNOTATION, PREFIX, STATUS_ANNOTATION
from webhook.core.pod_options import MAX_NAMED
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.admission import Outcome
    from webhook.core.policy import Policy
    from webhook.core.status import Status

HELPER = {"name": "warmup", "image": "busybox:1.36", "command": ["sh", "-c", "sleep 2"]}
MOUNTER = {"name": "mounter", "image": "registry.example.com/fuse:1", "command": ["/mount"]}


def operator_pod(*before: JSONObject, **main: Any) -> JSONObject:
    """A pod of the operator whose task is in ``worker``, behind these containers."""
    pod = load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json")
    worker = container(pod, "base") | {"name": "worker", "image": "python:3.12", "command": ["sh", "-c", "true"], **main}
    pod["spec"] |= {"containers": [*copy.deepcopy(before), worker], "volumes": [{"name": "xcom", "emptyDir": {}}]}
    return pod


def status_of(outcome: Outcome) -> Status:
    """The status of a pod that is not skipped."""
    assert outcome.status is not None
    return outcome.status


def prepended(pod: JSONObject, injected: JSONObject) -> JSONObject:
    """The pod after an injector that puts its container first."""
    pod = copy.deepcopy(pod)
    pod["spec"]["containers"].insert(0, copy.deepcopy(injected))
    return pod


def with_status(pod: JSONObject, status: str) -> JSONObject:
    """The pod with this text as the status of an earlier review."""
    pod = copy.deepcopy(pod)
    pod["metadata"]["annotations"][STATUS_ANNOTATION] = status
    return pod


def test_a_name_of_no_container_is_reported_beside_all_other_invalid_annotations(policy: Policy) -> None:
    pod = operator_pod()
    unknown = {f"{PREFIX}/x{number}": "" for number in range(MAX_NAMED + 2)}
    pod["metadata"]["annotations"] = {**unknown, MAIN_CONTAINER_ANNOTATION: "nowhere"}
    invalid = admitted(pod, policy)[0].invalid_annotations

    assert [one.key for one in invalid.named] == [*list(unknown)[:MAX_NAMED], MAIN_CONTAINER_ANNOTATION]
    assert invalid.more == 2


@pytest.mark.parametrize(("annotations", "main"), [({"example.com/once": "true"}, "worker"), ({}, None)])
def test_an_annotation_may_show_that_a_known_container_does_its_work_once_as_a_task_does(
    annotations: dict[str, str], main: str | None, policy: Policy
) -> None:
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["worker"]}}
    rows = parse_sidecars([{**row, "one_time": [{"annotation": "example.com/once"}]}])
    pod = operator_pod()
    pod["metadata"]["annotations"] |= annotations
    outcome, _ = admitted(pod, replace(policy, catalogue=Catalogue((*rows, *policy.catalogue.sidecars))))

    assert status_of(outcome).main == main


def test_the_first_of_several_unknown_containers_is_not_taken_for_the_task(policy: Policy) -> None:
    pod = inject_istio(operator_pod(HELPER))
    outcome, after = admitted(pod, policy)

    assert (outcome.result, outcome.reason) == ("left", "main-container-ambiguous")
    assert "one of warmup, worker" in outcome.warnings[0]
    assert MAIN_CONTAINER_ANNOTATION in outcome.warnings[1]
    assert after["spec"] == pod["spec"]
    assert status_of(outcome).main is None
    assert status_of(outcome).sidecars == {"istio-proxy": "keeps-running"}
    assert status_of(outcome).may_keep_running == ("warmup", "worker")


def test_sidecars_become_native_although_it_is_not_known_which_container_is_the_tasks(policy: Policy) -> None:
    outcome, after = admitted(inject_istio(operator_pod(HELPER)), policy, ABLE_CLUSTER)

    assert (outcome.result, outcome.reason) == ("native", "sidecars-native")
    assert [one["name"] for one in after["spec"]["containers"]] == ["warmup", "worker"]
    assert status_of(outcome).sidecars == {"istio-proxy": "native"}
    assert status_of(outcome).may_keep_running == ("warmup", "worker")
    assert admitted(after, policy, ABLE_CLUSTER)[0].operations == ()


def test_what_seems_a_sidecar_in_a_pod_of_sidecars_stays_where_it_is(policy: Policy) -> None:
    pod = inject_istio(operator_pod())
    pod["spec"]["containers"] = [container(pod, "istio-proxy")]
    outcome, after = admitted(pod, policy, ABLE_CLUSTER)

    assert outcome.reason == "no-main-container"
    assert after["spec"]["containers"] == pod["spec"]["containers"]


@pytest.mark.parametrize("name", ["warmup", "worker"])
def test_the_user_says_which_container_is_the_tasks(name: str, policy: Policy) -> None:
    pod = inject_istio(operator_pod(HELPER))
    pod["metadata"]["annotations"][MAIN_CONTAINER_ANNOTATION] = name
    outcome, after = admitted(pod, policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", name)
    assert PREFIX in container(after, name)["command"]


SYNC: Final = {"name": "sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2", "args": ["--repo=https://example.com/dags"]}
ONCE: Final = SYNC | {"args": ["--repo=https://example.com/dags", "--one-time"]}


def test_a_known_container_that_does_its_work_once_may_be_the_task(policy: Policy) -> None:
    """As the only one that ends it is; beside an unknown one nothing says which of the two."""
    pod = operator_pod(**ONCE | {"name": "worker"})
    alone, _ = admitted(inject_istio(pod), policy, ABLE_CLUSTER)
    beside, _ = admitted(inject_istio(prepended(pod, HELPER)), policy)

    assert (alone.result, status_of(alone).main, status_of(alone).not_converted) == ("native", "worker", {})
    assert beside.reason == "main-container-ambiguous"


def test_a_container_of_a_known_image_may_be_named_as_the_task(policy: Policy) -> None:
    """People write such containers themselves; one that an injector names may not be."""
    pod = inject_istio(operator_pod(HELPER, **SYNC | {"name": "worker"}))
    pod["metadata"]["annotations"][MAIN_CONTAINER_ANNOTATION] = "worker"
    outcome, after = admitted(pod, policy, ABLE_CLUSTER)

    assert (outcome.result, status_of(outcome).main) == ("native", "worker")
    assert container(after, "worker") == container(pod, "worker")


def test_the_container_that_kubectl_shows_by_default_need_not_be_the_tasks(policy: Policy) -> None:
    pod = inject_istio(operator_pod(HELPER))
    pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "warmup"

    assert admitted(pod, policy)[0].reason == "main-container-ambiguous"


XCOM = {"name": "xcom", "mountPath": "/airflow/xcom"}
XCOM_SIDECAR = {"name": "airflow-xcom-sidecar", "image": "alpine", "volumeMounts": [XCOM]}
MARKED: dict[str, JSONObject] = {
    "the XCom volume": operator_pod(HELPER, XCOM_SIDECAR, volumeMounts=[XCOM]),
    "the executor's variable": operator_pod(HELPER, env=[{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}]),
    "the variable of @task.kubernetes": operator_pod(HELPER, env=[{"name": "__PYTHON_SCRIPT", "value": "eA=="}]),
}


@pytest.mark.parametrize("pod", MARKED.values(), ids=MARKED)
def test_what_airflow_sets_in_one_container_shows_that_it_is_the_tasks(pod: JSONObject, policy: Policy) -> None:
    outcome, after = admitted(inject_istio(pod), policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", "worker")
    assert container(after, "warmup") == container(pod, "warmup")


def test_a_task_of_a_sidecars_own_image_is_the_task_where_airflow_marks_it(policy: Policy) -> None:
    """Else it would be ended after the helper beside it."""
    shipper = {"image": "fluent/fluent-bit:4.0.0", "env": [{"name": "__PYTHON_SCRIPT", "value": "eA=="}]}
    outcome, after = admitted(inject_istio(operator_pod(HELPER, **shipper)), policy, ABLE_CLUSTER)

    assert (outcome.result, status_of(outcome).main) == ("native", "worker")
    assert [one["name"] for one in after["spec"]["containers"]] == ["warmup", "worker"]


def test_a_name_that_no_container_has_is_reported_with_those_that_may_be_named(policy: Policy) -> None:
    pod = operator_pod(HELPER, MOUNTER)
    pod["metadata"]["annotations"] |= {MAIN_CONTAINER_ANNOTATION: "nobody", OUTLIVES_TASK_ANNOTATION: "nobody,mounter"}
    outcome, _ = admitted(pod, policy)

    assert outcome.warnings[:2] == (
        f"annotation {MAIN_CONTAINER_ANNOTATION} is ignored: allowed is one of warmup, mounter, worker",
        f"annotation {OUTLIVES_TASK_ANNOTATION} is ignored: allowed is unknown containers beside the task's: warmup, mounter, worker",
    )
    assert status_of(outcome).sidecars == {"mounter": "ends-by-itself"}
    assert status_of(outcome).may_keep_running == ("warmup", "worker")


def test_whether_a_known_container_does_its_work_once_may_be_said_by_the_pod(policy: Policy) -> None:
    once = [{"annotation": "example.com/once"}]
    row = {"id": "own", "title": "x", "sources": ["x"], "match": {"names": ["worker"]}, "one_time": once}
    known = replace(policy, catalogue=Catalogue((*parse_sidecars([row]), *policy.catalogue.sidecars)))
    pod = operator_pod()
    runs_on = admitted(pod, known)[0]
    pod["metadata"]["annotations"]["example.com/once"] = ""

    assert (status_of(runs_on).main, status_of(admitted(pod, known)[0]).main) == (None, "worker")


def test_a_wrapper_that_another_webhook_moved_into_the_args_shows_the_task_too(policy: Policy) -> None:
    wrapped = admitted(inject_istio(operator_pod()), policy)[1]
    del wrapped["metadata"]["annotations"][STATUS_ANNOTATION]
    worker = container(wrapped, "worker")
    worker |= {"command": ["/launch"], "args": [*worker["command"], *worker["args"]]}
    outcome, after = admitted(prepended(wrapped, MOUNTER), policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", "worker")
    assert container(after, "mounter") == MOUNTER


UNMARKED: dict[str, JSONObject] = {
    "two containers have the XCom volume": operator_pod(HELPER | {"volumeMounts": [XCOM]}, XCOM_SIDECAR, volumeMounts=[XCOM]),
    "no XCom sidecar uses the volume": operator_pod(HELPER, volumeMounts=[XCOM]),
    "the volume has another path": operator_pod(HELPER, XCOM_SIDECAR, volumeMounts=[XCOM | {"mountPath": "/data"}]),
    "two containers have the variable": operator_pod(
        HELPER | {"env": [{"name": "__PYTHON_SCRIPT", "value": ""}]}, env=[{"name": "__PYTHON_SCRIPT", "value": ""}]
    ),
}


@pytest.mark.parametrize("pod", UNMARKED.values(), ids=UNMARKED)
def test_nothing_shows_which_container_is_the_tasks_where(pod: JSONObject, policy: Policy) -> None:
    assert admitted(inject_istio(pod), policy)[0].reason == "main-container-ambiguous"


def test_a_job_of_the_chart_has_the_charts_name_for_its_container(policy: Policy) -> None:
    pod = load("helm-chart/chart-1.19.0-kubernetes/job-prod-create-user.json")
    pod["spec"]["containers"].insert(0, copy.deepcopy(MOUNTER))

    assert status_of(admitted(inject_istio(pod), policy)[0]).main == "create-user"


@pytest.mark.parametrize("name", ["spark-kubernetes-driver", "spark-kubernetes-executor"])
def test_sparks_container_has_sparks_name(name: str, policy: Policy) -> None:
    pod = operator_pod(MOUNTER, name=name)
    del pod["metadata"]["labels"]["kubernetes_pod_operator"]
    pod["metadata"]["labels"]["spark_kubernetes_operator"] = "True"

    assert status_of(admitted(pod, policy)[0]).main == name


def test_a_name_of_another_origin_shows_nothing(policy: Policy) -> None:
    assert status_of(admitted(operator_pod(MOUNTER, name="create-user"), policy)[0]).main is None


def test_a_container_that_is_injected_between_two_reviews_is_not_taken_for_the_task(policy: Policy) -> None:
    first = admitted(operator_pod(), policy)[1]
    outcome, after = admitted(inject_istio(prepended(first, MOUNTER)), policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", "worker")
    assert container(after, "mounter") == MOUNTER
    assert admitted(after, policy)[0].operations == ()


def test_a_wrapped_container_is_the_tasks_although_its_status_is_lost(policy: Policy) -> None:
    wrapped = admitted(inject_istio(operator_pod()), policy)[1]
    del wrapped["metadata"]["annotations"][STATUS_ANNOTATION]
    outcome, after = admitted(prepended(wrapped, MOUNTER), policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", "worker")
    assert container(after, "mounter") == MOUNTER


WRONG_STATUSES = {
    "it names no container of the pod": '{"main":"base"}',
    "it names a known sidecar": '{"main":"istio-proxy"}',
    "it names no container": '{"treatment":"left"}',
    "its name is no text": '{"main":1}',
    "it is no JSON": "worker",
    "it is nested too deep": "[" * 10_000,
    "it is too long": json.dumps({"main": "worker", "x": "x" * 70_000}),
}


@pytest.mark.parametrize("status", WRONG_STATUSES.values(), ids=WRONG_STATUSES)
def test_a_status_shows_nothing_where(status: str, policy: Policy) -> None:
    pod = inject_istio(with_status(operator_pod(HELPER), status))

    assert admitted(pod, policy)[0].reason == "main-container-ambiguous"


def test_a_status_that_somebody_wrote_does_not_overrule_airflow(policy: Policy) -> None:
    pod = with_status(MARKED["the executor's variable"], '{"main":"warmup"}')
    named_base = with_status(operator_pod(HELPER, name="base"), '{"main":"warmup"}')

    assert status_of(admitted(inject_istio(pod), policy)[0]).main == "worker"
    assert status_of(admitted(inject_istio(named_base), policy)[0]).main == "base"


def test_without_any_sidecar_the_status_names_every_container_that_may_be_the_task(policy: Policy) -> None:
    outcome, _ = admitted(operator_pod(MOUNTER), policy)

    assert (outcome.result, outcome.reason) == ("labelled", "no-sidecar")
    assert status_of(outcome).may_keep_running == ("mounter", "worker")


def test_a_wrapped_task_that_does_the_work_of_a_sidecar_once_is_found_again(policy: Policy) -> None:
    """By its wrapper: behind that its flag is not among the words that are read."""
    pod = inject_istio(operator_pod(name="vault-agent", image="python:3.12", args=["agent", "-exit-after-auth"]))
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] = "injected"
    outcome, after = admitted(pod, policy)
    again, _ = admitted(after, policy)

    assert (outcome.result, status_of(outcome).main) == ("wrapped", "vault-agent")
    assert (again.result, again.status) == ("unchanged", outcome.status)
