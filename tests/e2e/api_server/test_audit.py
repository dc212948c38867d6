"""``enforcement: audit``: no pod is stored with another spec than without the webhook, whichever of it and an injector comes first.

The injector is SIMULATED: a webhook of the tests' own that injects as `demo/simulated_injectors.py` does. The order and the second calls are
the API server's own.
"""

from __future__ import annotations

import copy
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.simulated_injectors import inject_istio
from testbed.api import path_of
from tests.e2e.api_server.native_webhook import status_of
from tests.e2e.api_server.own_webhook import OwnWebhook, own_webhook
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook
from tests.e2e.api_server.simulated_injection import configuration, injecting, injector_webhook
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import registered, task_pod
from tests.support.pods import pods_in
from webhook.core import STATUS_ANNOTATION, TREATMENT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

AUDIT: Final = {"ENFORCEMENT": "audit", "NATIVE_SIDECARS": "on"}
LABEL: Final = "audit-injector"
"""The label by which a namespace selects a configuration of the injector."""

PLACES: Final = ("aaa-audit-injector", "zzz-audit-injector")
"""Configurations are called in the order of their names; the auditing webhook's begins with "own"."""

PODS: Final = dict(pods_in("airflow-3.3.2-provider-10.25.0"))


@dataclass(frozen=True, slots=True)
class AuditedNamespace:
    """A namespace with an injector and an auditing webhook, and one with the injector alone.

    Args:
        own: The auditing webhook.
        audited: The namespace with both.
        plain: The namespace with the injector alone.

    """

    own: OwnWebhook
    audited: str
    plain: str


@contextmanager
def injected(level: Level, own: OwnWebhook, injector: ScriptedWebhook, place: str) -> Iterator[AuditedNamespace]:
    """Both namespaces, with the injector's configuration under this name."""

    def is_called(api: ApiClient) -> bool:
        pods = [api.create(task_pod(namespace), dryRun="All") for namespace in (audited, plain)]
        return all(len(pod["spec"]["containers"]) > 1 for pod in pods)

    webhook = injector_webhook("sidecar-injector.istio.io", injector, {LABEL: place}, "Never")
    with (
        new_namespace(level.api, "audited", **own.labels, **{LABEL: place}) as audited,
        new_namespace(level.api, "plain", **NOT_OPTED_IN, **{LABEL: place}) as plain,
        registered(level.api, configuration(place, webhook), is_called),
    ):
        yield AuditedNamespace(own, audited, plain)


@pytest.fixture(scope="module")
def auditing(any_api_server: Level) -> Iterator[OwnWebhook]:
    with own_webhook(any_api_server, AUDIT) as own:
        yield own


@pytest.fixture(scope="module", params=PLACES)
def namespaces(request: pytest.FixtureRequest, any_api_server: Level, auditing: OwnWebhook) -> Iterator[AuditedNamespace]:
    """In the first the injector comes before the webhook, in the second after it."""
    with ExitStack() as ends:
        injector = ends.enter_context(ScriptedWebhook(injecting(inject_istio)))
        yield ends.enter_context(injected(any_api_server, auditing, injector, request.param))


def without_audit(pod: JSONObject) -> JSONObject:
    """The pod without what an audit adds; no labels or annotations count as none."""
    same = copy.deepcopy(pod)
    for field, key in (("annotations", STATUS_ANNOTATION), ("labels", TREATMENT_LABEL)):
        entries = same["metadata"].pop(field, {})
        entries.pop(key, None)
        same["metadata"][field] = entries
    return same


def test_every_pod_is_stored_as_without_the_webhook_but_for_its_status_and_the_label(namespaces: AuditedNamespace) -> None:
    api, would_be = namespaces.own.api, set()
    for path, pod in PODS.items():
        audited, plain = (stored(api, pod, namespace) for namespace in (namespaces.audited, namespaces.plain))
        assert json.dumps(audited["spec"]) == json.dumps(plain["spec"]), path
        assert without_audit(audited) == without_audit(plain), path
        if status_of(audited):
            assert (audited["metadata"]["labels"][TREATMENT_LABEL], status_of(audited)["treatment"]) == ("audited", "audited"), path
            would_be.add(status_of(audited)["would_be"])

    assert "wrapped" in would_be, "what would be done is decided with the sidecar that the injector adds, whenever it comes"


def test_a_pod_counts_once_for_what_it_would_be_however_often_the_webhook_is_called(namespaces: AuditedNamespace) -> None:
    api = namespaces.own.api
    pod = api.create(task_pod(namespaces.audited))
    api.delete(path_of(pod))

    assert counted(namespaces.own, namespaces.audited, "audited_pods") == {status_of(pod)["would_be"]: 1}
    assert counted(namespaces.own, namespaces.audited, "pods") == {}


def counted(own: OwnWebhook, namespace: str, kind: str) -> dict[str, float]:
    """How many pods of a namespace a webhook has counted, by treatment, each once."""
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(own.webhook.metrics_url, trust_env=False).text):
        sign = {f"airflow_sidecar_webhook_{kind}": 1, f"airflow_sidecar_webhook_reclassified_{kind}": -1}.get(family.name, 0)
        for sample in family.samples if sign else ():
            if sample.labels["namespace"] == namespace:
                counts[sample.labels["treatment"]] = counts.get(sample.labels["treatment"], 0) + sign * sample.value
    return {treatment: count for treatment, count in counts.items() if count}


def test_a_pod_that_is_created_again_from_an_audited_one_is_treated_like_a_new_one_by_a_webhook_that_enforces(auditing: OwnWebhook) -> None:
    api = auditing.api
    with new_namespace(api, "enforced") as enforced:
        for path, pod in PODS.items():
            again = {**pod, "metadata": {**pod["metadata"], **entries_of(stored(api, pod, auditing.namespace))}}
            assert stored(api, again, enforced) == stored(api, pod, enforced), path


def entries_of(pod: JSONObject) -> JSONObject:
    """The labels and annotations of a stored pod."""
    return {field: pod["metadata"][field] for field in ("labels", "annotations") if field in pod["metadata"]}
