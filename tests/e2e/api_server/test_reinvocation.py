"""Our webhook beside another: who is called how often, and that the pod comes out the same whichever of the two comes first.

The other is SIMULATED: a webhook of the tests' own that injects as `demo/simulated_injectors.py` does. The order and the second calls
are the API server's own (k8s.io/apiserver pkg/admission/plugin/webhook/mutating/reinvocationcontext.go).
"""

from __future__ import annotations

import itertools
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import jsonpatch
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_istio_with_hold
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply, ScriptedWebhook, allowed, patched
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import new_namespace
from tests.e2e.registration import registered, task_pod
from tests.support.expectations import expected
from tests.support.pods import pods_in
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demo.simulated_injectors import Injector
    from testbed.api import ApiClient
    from testbed.levels import Level
    from testbed.webhook import Webhook
    from tests.support.json_object import JSONObject

    Answer = Callable[[Call], ScriptedReply]

LABEL: Final = "injector"
"""The label by which a namespace selects a configuration of the other webhook."""

BEFORE: Final = "aaa-injector"
AFTER: Final = "zzz-injector"
"""Configurations are called in the order of their names; this project's is airflow-sidecar-webhook."""

FOLDERS: Final = ("airflow-3.3.2-provider-10.25.0", "helm-chart/chart-1.19.0-kubernetes")
PODS: Final = {path: pod for folder in FOLDERS for path, pod in pods_in(folder) if not expected(path)[1].startswith("skipped")}
SECONDS: Final = 60
"""Within which an API server takes up a LimitRange."""

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Injected:
    """Our webhook and another, in either order.

    Args:
        level: The API server, with this project's webhook.
        other: The other.
        namespaces: The namespace in which the other comes first, and the one in which it comes last.

    """

    level: Level
    other: ScriptedWebhook
    namespaces: dict[str, str]

    def calls(self, pod: JSONObject) -> tuple[int, int]:
        """How often this project's webhook and the other are called for this pod's creation."""
        name = self.level.api.create(pod, dryRun="All")["metadata"]["name"]
        return sum(line["name"] == name for line in self.level.webhook.reviews), len(self.other.calls_for(name))


def injecting(injector: Injector) -> Answer:
    """Answer with the patch that makes of the pod what this injector makes of it; nothing, where that changes nothing."""

    def answer(call: Call) -> ScriptedReply:
        operations = jsonpatch.make_patch(call.pod, injector(call.pod)).patch
        return patched(call, operations) if operations else allowed(call)

    return answer


def configuration(name: str, other: ScriptedWebhook, **fields: object) -> JSONObject:
    """The other webhook under this name, for the pods of the namespaces that are labelled with it."""
    webhook = {
        "name": "pods.other.example",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": other.client_config,
        "namespaceSelector": {"matchLabels": {LABEL: name}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        **fields,
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": name}, "webhooks": [webhook]}


@contextmanager
def beside(level: Level, other: ScriptedWebhook, name: str, **fields: object) -> Iterator[str]:
    """A namespace that opted in, for whose pods the other webhook is called, too."""

    def is_called(api: ApiClient) -> bool:
        before = len(other.calls)
        api.create(task_pod(namespace), dryRun="All")
        return len(other.calls) > before

    with (
        new_namespace(level.api, name, **{LABEL: name}) as namespace,
        registered(level.api, configuration(name, other, **fields), is_called),
    ):
        yield namespace


@pytest.fixture(scope="module")
def registered_injector(any_api_server: Level) -> Iterator[Injected]:
    with ExitStack() as ends:
        other = ends.enter_context(ScriptedWebhook())
        namespaces = {name: ends.enter_context(beside(any_api_server, other, name)) for name in (BEFORE, AFTER)}
        yield Injected(any_api_server, other, namespaces)


@pytest.fixture
def injected(registered_injector: Injected) -> Iterator[Injected]:
    registered_injector.other.answer = injecting(inject_istio)
    yield registered_injector
    registered_injector.other.answer = allowed


def task(namespace: str) -> JSONObject:
    """A task's pod of a name of its own."""
    return task_pod(namespace, f"reinvocation-{next(_numbers)}")


@pytest.mark.parametrize("path", PODS)
def test_a_pod_comes_out_the_same_whichever_webhook_comes_first(injected: Injected, path: str) -> None:
    first, last = (stored(injected.level.api, PODS[path], injected.namespaces[name]) for name in (BEFORE, AFTER))

    assert first == last
    assert STATUS_ANNOTATION in first["metadata"]["annotations"]
    assert "istio-proxy" in [container["name"] for container in first["spec"]["containers"]]


@pytest.mark.parametrize("injector", [inject_istio_with_hold, inject_istio_native])
def test_so_does_one_with_a_sidecar_of_another_form(api_server: Level, injector: Injector) -> None:
    with ScriptedWebhook(injecting(injector)) as other, ExitStack() as ends:
        first, last = (ends.enter_context(beside(api_server, other, name)) for name in ("aaa-other-form", "zzz-other-form"))
        for pod in PODS.values():
            assert stored(api_server.api, pod, first) == stored(api_server.api, pod, last)


def test_ours_is_called_again_after_an_injector_that_comes_later(injected: Injected) -> None:
    assert injected.calls(task(injected.namespaces[AFTER])) == (2, 1)


@pytest.mark.parametrize("place", [BEFORE, AFTER])
def test_a_pod_counts_once_for_its_final_treatment_however_often_ours_is_called(injected: Injected, place: str) -> None:
    api, namespace, webhook = injected.level.api, injected.namespaces[place], injected.level.webhook
    pod = api.create(task(namespace))
    api.delete(path_of(pod))
    treatment = json.loads(pod["metadata"]["annotations"][STATUS_ANNOTATION])["treatment"]

    assert treatment != "labelled", "it is, where no injector follows"
    assert pods_counted(webhook, namespace) == {treatment: 1}


def pods_counted(webhook: Webhook, namespace: str) -> dict[str, float]:
    """How many pods of a namespace a webhook has counted, by treatment: as the alerts and the dashboard compute it."""
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(webhook.metrics_url, trust_env=False).text):
        sign = {"airflow_sidecar_webhook_pods": 1, "airflow_sidecar_webhook_reclassified_pods": -1}.get(family.name, 0)
        for sample in family.samples if sign else ():
            if sample.labels["namespace"] == namespace:
                counts[sample.labels["treatment"]] = counts.get(sample.labels["treatment"], 0) + sign * sample.value
    return {treatment: count for treatment, count in counts.items() if count}


def test_ours_is_called_once_after_an_injector_that_comes_earlier(injected: Injected) -> None:
    assert injected.calls(task(injected.namespaces[BEFORE])) == (1, 1)


def test_ours_is_called_once_where_it_alone_changes_the_pod(any_api_server: Level) -> None:
    with ScriptedWebhook() as other, beside(any_api_server, other, "zzz-onlooker") as namespace:
        assert Injected(any_api_server, other, {}).calls(task(namespace)) == (1, 1)


def give_requests(api: ApiClient, namespace: str) -> None:
    """Have the API server itself give every container of a namespace a request, if it has none."""

    def is_given() -> bool:
        pod = api.create(task_pod(namespace), dryRun="All")
        return "requests" in pod["spec"]["containers"][0]["resources"]

    limits = [{"type": "Container", "defaultRequest": {"cpu": "10m"}}]
    metadata = {"name": "requests", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}})
    until(is_given, "containers are given a request", SECONDS)


def test_ours_is_called_again_when_the_api_server_itself_completes_what_an_earlier_injector_added(injected: Injected) -> None:
    """As in every real cluster, where the API server mounts the service account's token into the injected container."""
    api = injected.level.api
    with new_namespace(api, "limited", **{LABEL: BEFORE}) as namespace:
        give_requests(api, namespace)

        assert injected.calls(task(namespace)) == (2, 1)


@pytest.mark.parametrize(("name", "calls"), [("aaa-eager", (1, 2)), ("zzz-eager", (2, 2))])
def test_an_injector_that_wants_to_be_called_again_is_called_after_our_change_and_ours_no_more_for_it(
    any_api_server: Level, name: str, calls: tuple[int, int]
) -> None:
    with (
        ScriptedWebhook(injecting(inject_istio)) as other,
        beside(any_api_server, other, name, reinvocationPolicy="IfNeeded") as namespace,
    ):
        assert Injected(any_api_server, other, {}).calls(task(namespace)) == calls


@pytest.mark.parametrize(("name", "called"), [("aaa-labeller", 1), ("zzz-labeller", 0)])
def test_a_webhook_that_makes_a_pod_airflows_must_come_first(any_api_server: Level, name: str, called: int) -> None:
    """In the second round nobody is called for the first time: so the conditions hold on to what Airflow itself sets."""
    labelling = [{"op": "add", "path": "/metadata/labels", "value": {"kubernetes_executor": "True"}}]
    with ScriptedWebhook(lambda call: patched(call, labelling)) as other, beside(any_api_server, other, name) as namespace:
        pod = task(namespace)
        del pod["metadata"]["labels"]

        assert Injected(any_api_server, other, {}).calls(pod) == (called, 1)
