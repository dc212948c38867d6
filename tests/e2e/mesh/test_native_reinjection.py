"""Istio's webhook is called for a converted pod again: at a second creation, or at the same one, where it is registered with IfNeeded."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed.namespace import MESH_ROOT, wait_until_ready
from testbed.wait import until
from tests.e2e.mesh.rendering import differences
from tests.e2e.mesh.task import ended, is_from_envoy, regular, request, status_of
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import namespace_on
from tests.e2e.node.native import native, native_status, selecting
from tests.e2e.node.pods import operator_pod, shell
from tests.e2e.registration import registered
from webhook.core.names import CANONICAL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
ISTIO: Final = "istio-sidecar-injector"
BY_NAMESPACE: Final = "namespace.sidecar-injector.istio.io"
COMES_AGAIN: Final = {"istio-comes-again": "enabled"}
NOTICE_SECONDS: Final = 60

OF_THE_SERVER: Final = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")
"""Metadata that no client sends."""

ORDERS: Final = ("airflow-sidecar-webhook-again", "zzz-airflow-sidecar-webhook-again")
"""Names of our configuration: before Istio's, and after it."""


def task_pod(namespace: PodNamespace, name: str, base: JSONObject, annotations: dict[str, str]) -> JSONObject:
    """A task's pod without the volume of a random name, with a name in the mesh that is its own."""
    pod = operator_pod(namespace.name, name, base, annotations=annotations, automountServiceAccountToken=False)
    pod["metadata"]["labels"][CANONICAL_NAME] = "given"
    return pod


def resent(pod: JSONObject, name: str) -> JSONObject:
    """A stored pod as someone sends it who copies it: under a new name, without what the server owns."""
    sent = copy.deepcopy(pod)
    sent["metadata"]["name"] = name
    for field in OF_THE_SERVER:
        sent["metadata"].pop(field, None)
    sent["spec"].pop("nodeName", None)
    sent.pop("status", None)
    return sent


def changes(before: JSONObject, after: JSONObject) -> list[JSONObject]:
    """What is otherwise in the second of two pods that were created one from the other; Istio writes each one's name into it."""
    first, second = (resent(pod, "same") for pod in (before, after))
    return [one for one in differences(first, second) if one.get("value") not in owner(after)]


def owner(pod: JSONObject) -> tuple[str, str]:
    """What Istio's proxy holds of its pod's name (ISTIO_META_WORKLOAD_NAME, ISTIO_META_OWNER)."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    return name, f"kubernetes://apis/v1/namespaces/{namespace}/pods/{name}"


def test_a_converted_pod_that_is_created_again_stays_the_same_and_ends_with_its_tasks_code(
    way: PodNamespace, task_image: str, web: str, versioned_image: dict[str, str]
) -> None:
    base = shell(task_image, f"{request(web)}; exit 3")
    first = way.level.api.create(task_pod(way, "first", base, versioned_image))
    assert ended(way.end("first"), "base")["exitCode"] == 3

    second = way.level.api.create(resent(way.pod("first"), "second"))
    assert changes(first, second) == []
    assert (regular(second), native(second)) == (["base"], ["istio-proxy"])
    end = way.end("second")
    assert is_from_envoy(ended(end, "base")["message"])
    assert ended(end, "base")["exitCode"] == 3
    assert native_status(end, "istio-proxy")["restartCount"] == 0


def test_a_converted_pod_that_is_created_where_we_are_not_is_taken_too(
    converted: PodNamespace, rendered: PodNamespace, task_image: str
) -> None:
    """The annotation that we have set makes Istio render what it finds."""
    first = converted.level.api.create(task_pod(converted, "moved", shell(task_image, "exit 3"), {}), dryRun="All")
    sent = resent(first, "moved")
    sent["metadata"]["namespace"] = rendered.name

    rendered.create(sent)
    end = rendered.end("moved")
    assert native(end.pod) == ["istio-proxy"]
    assert ended(end, "base")["exitCode"] == 3


@contextmanager
def istio_coming_again(level: NodeLevel) -> Iterator[None]:
    """Istio's own webhook once more, for namespaces of a label, so that it is called again when others have changed the pod."""
    own = level.api.get(f"{CONFIGURATIONS}/{ISTIO}")
    (webhook,) = (one for one in own["webhooks"] if one["name"] == BY_NAMESPACE)
    again = {**webhook, "namespaceSelector": {"matchLabels": COMES_AGAIN}, "reinvocationPolicy": "IfNeeded"}
    configuration = {key: own[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": f"{ISTIO}-again"}, "webhooks": [again]}
    with (
        namespace_on(level, "istio-probe", **COMES_AGAIN, **NOT_OPTED_IN) as probe,
        registered(level.api, configuration, lambda api: is_injected(api, probe.name)),
    ):
        yield


def is_injected(api: ApiClient, namespace: str) -> bool:
    """Whether a pod there gets a proxy."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": namespace}}
    found = api.create({**pod, "spec": {"containers": [{"name": "base", "image": "localhost/task:1"}]}}, dryRun="All")
    return "istio-proxy" in regular(found)


@pytest.fixture(scope="module")
def _istio_comes_again(watcher: NodeLevel, converted: PodNamespace) -> Iterator[None]:
    """It does, and our webhook has noticed; afterwards it has noticed that it does not."""

    def is_not_converted() -> bool:
        probe = task_pod(converted, "probe", shell("localhost/task:1", "exit 0"), {})
        return "not_converted" in status_of(watcher.api.create(probe, dryRun="All"))

    with istio_coming_again(watcher):
        until(is_not_converted, "the webhook has read that Istio may be called again", NOTICE_SECONDS)
        yield
    until(lambda: not is_not_converted(), "the webhook has read that Istio is called once", NOTICE_SECONDS)


@pytest.fixture(scope="module", params=ORDERS)
def comes_again(request: pytest.FixtureRequest, watcher: NodeLevel, _istio_comes_again: None) -> Iterator[PodNamespace]:
    """A namespace in which Istio is called again, with our configuration before it and after it."""
    with called_for_both(watcher, request.param) as namespace:
        yield namespace


@contextmanager
def called_for_both(level: NodeLevel, configuration: str) -> Iterator[PodNamespace]:
    """A namespace whose pods come to this level's webhook, by a configuration of this name, and to the Istio that comes again."""
    with selecting(level, configuration) as labels, namespace_on(level, "again", **COMES_AGAIN, **labels) as namespace:
        wait_until_ready(level.api, namespace.name, MESH_ROOT)
        yield namespace


def test_a_pod_is_taken_and_ends_though_istio_comes_again(
    comes_again: PodNamespace, task_image: str, web: str, versioned_image: dict[str, str]
) -> None:
    base = shell(task_image, f"{request(web)}; exit 3")
    first = comes_again.level.api.create(task_pod(comes_again, "again", base, versioned_image))
    assert (regular(first), native(first)) == (["base"], ["istio-proxy"])
    assert status_of(first)["treatment"] == "native"

    end = comes_again.end("again")
    assert is_from_envoy(ended(end, "base")["message"])
    assert ended(end, "base")["exitCode"] == 3


def test_and_it_can_be_created_again(comes_again: PodNamespace, task_image: str, versioned_image: dict[str, str]) -> None:
    first = comes_again.level.api.create(task_pod(comes_again, "one", shell(task_image, "exit 3"), versioned_image))
    second = comes_again.level.api.create(resent(first, "two"))
    assert changes(first, second) == []
    for name in ("one", "two"):
        assert ended(comes_again.end(name), "base")["exitCode"] == 3


@pytest.mark.usefixtures("_istio_comes_again")
def test_a_proxy_whose_injector_is_of_unknown_age_stays_regular_while_it_may_come_again(
    converted: PodNamespace, task_image: str, web: str
) -> None:
    pod = converted.level.api.create(task_pod(converted, "not-converted", shell(task_image, f"{request(web)}; exit 3"), {}))
    assert regular(pod) == ["base", "istio-proxy"]
    assert status_of(pod)["not_converted"] == {"istio-proxy": "reinjection"}

    end = converted.end("not-converted")
    assert is_from_envoy(ended(end, "base")["message"])
    assert [ended(end, name)["exitCode"] for name in ("base", "istio-proxy")] == [3, 0]
