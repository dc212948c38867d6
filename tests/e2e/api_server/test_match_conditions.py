"""For which pods an API server calls the webhook, by the pods' names in the webhook's log."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.manifest import OPTED_IN
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import task_pod
from tests.support.pods import review_of
from webhook.core.names import STATUS_ANNOTATION
from webhook.core.origin import CHART_JOB_COMPONENTS, COMMUNITY_JOB_COMPONENTS, OLD_COMMUNITY_JOBS, ORIGIN_LABELS, pod_origin
from webhook.core.review import parse_review

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

    Labels = Mapping[str, str | None]

_numbers = itertools.count()

LONG_RUNNING: Final = ("worker", "scheduler", "webserver", "")
"""Some of the chart's components that are no jobs. Celery's workers carry "worker", and so did the executor's pods of old."""


@pytest.fixture(scope="module")
def namespace(any_api_server: Level) -> Iterator[str]:
    with new_namespace(any_api_server.api, "matching") as name:
        yield name


def pod_with(namespace: str, labels: Labels | None, **metadata: object) -> JSONObject:
    """A pod of a name of its own."""
    pod = task_pod(namespace, f"matching-{next(_numbers)}")
    pod["metadata"] |= {"labels": labels, **metadata}
    return pod


def name_of(pod: JSONObject) -> str:
    """The pod's name in the log."""
    metadata = pod["metadata"]
    return str(metadata.get("name") or metadata["generateName"])


def reviews_of(level: Level, pod: JSONObject) -> list[JSONObject]:
    """The log lines of the reviews of this pod."""
    return [line for line in level.webhook.reviews if line["name"] == name_of(pod)]


def reaching(level: Level, pods: Iterable[JSONObject]) -> list[bool]:
    """For each pod, whether the webhook is called for its creation."""
    for pod in (sent := list(pods)):
        level.api.create(pod, dryRun="All")
    reviewed = {line["name"] for line in level.webhook.reviews}
    return [name_of(pod) in reviewed for pod in sent]


def combinations() -> Iterator[Labels]:
    """Every value of every label of a kind, beside another; every component in every tier, beside a wrong and a right label of a kind."""
    values: tuple[str | None, ...] = ("True", "true", "1", "", None)
    yield from ({label: value} for label, value in itertools.product(ORIGIN_LABELS, values))
    yield from ({one: "False", other: "True"} for one, other in itertools.permutations(ORIGIN_LABELS, 2))
    components = (*sorted(CHART_JOB_COMPONENTS), *LONG_RUNNING)
    for tier, component in itertools.product(("airflow", "Airflow", ""), components):
        yield {"tier": tier, "component": component}
        yield {"tier": tier, "component": component, "kubernetes_executor": "True"}
        yield {"tier": tier, "component": component, "kubernetes_executor": "true"}
    for app, component in itertools.product(("airflow", "Airflow", None), (*sorted(COMMUNITY_JOB_COMPONENTS), "scheduler")):
        yield {"app": app, "component": component, "release": "prod"}
        yield {"app": app, "component": component}
    for app, chart in itertools.product(("airflow", "Airflow"), ("airflow-8.3.2", "airflow", "shop-1.0.0", "", None)):
        yield {"app": app, "component": OLD_COMMUNITY_JOBS, "release": "prod", "chart": chart}
        yield {"app": app, "component": OLD_COMMUNITY_JOBS, "chart": chart}
    yield {"app": "airflow", "component": OLD_COMMUNITY_JOBS, "release": "prod"}
    yield from ({"component": component} for component in components)
    yield from ({"tier": "airflow"}, {"tier": "airflow", "component": None}, {}, {"release": "prod"})


def is_airflows(labels: Labels | None) -> bool:
    """What the core says of these labels, as the API server would store them: it takes a null for an empty text."""
    stored = None if labels is None else {key: value or "" for key, value in labels.items()}
    pod = parse_review(review_of(pod_with("any", stored))).pod
    assert pod
    return pod_origin(pod) is not None


def test_the_conditions_and_the_core_agree_about_every_combination_of_labels(any_api_server: Level, namespace: str) -> None:
    grid = [None, *combinations()]
    reached = reaching(any_api_server, (pod_with(namespace, labels) for labels in grid))

    assert [labels for labels, reaches in zip(grid, reached, strict=True) if reaches != is_airflows(labels)] == []
    assert reached.count(True) > len(ORIGIN_LABELS) + len(CHART_JOB_COMPONENTS) + len(COMMUNITY_JOB_COMPONENTS)


@pytest.mark.parametrize("labels", [{label: "True"} for label in ORIGIN_LABELS], ids=str)
def test_a_pod_of_each_kind_reaches_the_webhook(any_api_server: Level, namespace: str, labels: Labels) -> None:
    assert reaching(any_api_server, [pod_with(namespace, labels)]) == [True]


@pytest.mark.parametrize("component", sorted(CHART_JOB_COMPONENTS))
def test_a_job_of_the_chart_reaches_the_webhook(any_api_server: Level, namespace: str, component: str) -> None:
    assert reaching(any_api_server, [pod_with(namespace, {"tier": "airflow", "component": component})]) == [True]


def test_a_worker_of_celerys_does_not(any_api_server: Level, namespace: str) -> None:
    assert reaching(any_api_server, [pod_with(namespace, {"tier": "airflow", "component": "worker"})]) == [False]


def test_a_pod_whose_name_is_still_to_be_generated_reaches_the_webhook(any_api_server: Level, namespace: str) -> None:
    pod = pod_with(namespace, {"kubernetes_executor": "True"}, generateName=f"generated-{next(_numbers)}-")
    del pod["metadata"]["name"]

    assert reaching(any_api_server, [pod]) == [True]


def test_a_mirror_pod_does_not(any_api_server: Level, namespace: str) -> None:
    mirror = {"kubernetes.io/config.mirror": "a-hash"}
    pod = pod_with(namespace, {"kubernetes_executor": "True"}, annotations=mirror)
    pod["spec"]["nodeName"] = "a-node"

    assert reaching(any_api_server, [pod]) == [False]


@pytest.mark.parametrize("label", ["disabled", "Enabled", "true", ""])
def test_a_namespace_that_did_not_opt_in_keeps_its_pods_from_the_webhook(any_api_server: Level, label: str) -> None:
    with new_namespace(any_api_server.api, "bystander", **dict.fromkeys(NOT_OPTED_IN, label)) as bystander:
        assert reaching(any_api_server, [pod_with(bystander, {"kubernetes_executor": "True"})]) == [False]


@contextmanager
def opted_in(api: ApiClient, namespace: str) -> Iterator[None]:
    """A namespace that is there anyway, opted in for a time."""
    path = f"/api/v1/namespaces/{namespace}"
    api.patch(path, {"metadata": {"labels": OPTED_IN}})
    try:
        yield
    finally:
        api.patch(path, {"metadata": {"labels": dict.fromkeys(OPTED_IN)}})


@pytest.mark.parametrize("system", ["kube-system", "kube-node-lease"])
def test_a_system_namespace_keeps_its_pods_from_the_webhook_even_when_it_opted_in(any_api_server: Level, system: str) -> None:
    with opted_in(any_api_server.api, system):
        assert reaching(any_api_server, [pod_with(system, {"kubernetes_executor": "True"})]) == [False]


@pytest.fixture
def created(any_api_server: Level, namespace: str) -> Iterator[JSONObject]:
    """A task's pod that is there, with the one review that its creation was."""
    pod = any_api_server.api.create(pod_with(namespace, {"kubernetes_executor": "True"}))
    assert len(reviews_of(any_api_server, pod)) == 1
    yield pod
    any_api_server.api.delete(path_of(pod), gracePeriodSeconds="0")


def test_a_change_of_a_pod_is_no_matter_of_ours(any_api_server: Level, created: JSONObject) -> None:
    changed = any_api_server.api.patch(
        path_of(created), {"metadata": {"labels": {"added": "x"}, "annotations": {STATUS_ANNOTATION: "another"}}}
    )

    assert changed["metadata"]["annotations"][STATUS_ANNOTATION] == "another"
    assert len(reviews_of(any_api_server, created)) == 1


def test_neither_is_its_status(any_api_server: Level, created: JSONObject) -> None:
    changed = any_api_server.api.patch(f"{path_of(created)}/status", {"status": {"message": "x"}})

    assert changed["status"]["message"] == "x"
    assert len(reviews_of(any_api_server, created)) == 1


def test_nor_its_binding_to_a_node(any_api_server: Level, created: JSONObject) -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": "a-node"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": created["metadata"]["name"]}, "target": target}

    assert any_api_server.api.request("POST", f"{path_of(created)}/binding", binding).is_success
    assert any_api_server.api.get(path_of(created))["spec"]["nodeName"] == "a-node"
    assert len(reviews_of(any_api_server, created)) == 1


def test_nor_a_container_that_is_added_to_look_into_it(any_api_server: Level, created: JSONObject) -> None:
    debugger = {"name": "debugger", "image": "busybox:1"}
    changed = any_api_server.api.patch(f"{path_of(created)}/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugger]}})

    assert changed["spec"]["ephemeralContainers"][0]["name"] == "debugger"
    assert len(reviews_of(any_api_server, created)) == 1
