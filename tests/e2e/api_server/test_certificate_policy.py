"""The policy that limits the webhook's identity to the caBundle of its configuration, on a real API server, field by field."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import pytest

from certs.store import CONFIGURATIONS
from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import NAME
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.chart import objects, only
from tests.e2e.api_server.self_managed_webhook import connect
from tests.e2e.objects import created
from tests.e2e.rights import rule, user_who_may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certs.api import ApiResponse, KubernetesApi
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

RELEASE: Final = "a-limited"
ITSELF: Final = f"system:serviceaccount:{NAME}:{RELEASE}"
MERGE: Final = "application/merge-patch+json"
SECONDS: Final = 60
OK: Final = 200
REFUSED: Final = 422
CA_BUNDLE: Final = "Zmlyc3Q="
GROUP: Final = "admissionregistration.k8s.io"

WEBHOOK_CHANGES: Final[dict[str, JSONObject]] = {
    "rules": {"rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]},
    "failurePolicy": {"failurePolicy": "Fail"},
    "matchPolicy": {"matchPolicy": "Exact"},
    "namespaceSelector": {"namespaceSelector": {}},
    "objectSelector": {"objectSelector": {"matchLabels": {"a": "b"}}},
    "matchConditions": {"matchConditions": []},
    "sideEffects": {"sideEffects": "NoneOnDryRun"},
    "timeoutSeconds": {"timeoutSeconds": 30},
    "reinvocationPolicy": {"reinvocationPolicy": "Never"},
    "admissionReviewVersions": {"admissionReviewVersions": ["v1", "v1beta1"]},
    "service": {"clientConfig": {"service": {"name": "other", "namespace": "other", "path": "/mutate", "port": 443}}},
    "url": {"clientConfig": {"url": "https://elsewhere.example/mutate"}},
    "name": {"name": "other.airflow-sidecar-webhook.io"},
}
METADATA_CHANGES: Final[dict[str, JSONObject]] = {
    "labels": {"labels": {"a": "b"}},
    "annotations": {"annotations": {"cert-manager.io/inject-ca-from": "other/other"}},
    "finalizers": {"finalizers": ["example.com/for-ever"]},
    "ownerReferences": {"ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "gone"}]},
}


@pytest.fixture(scope="module", params=["api_server", "newest_api_server"])
def level(request: pytest.FixtureRequest) -> Level:
    """The pinned Kubernetes, and the newest."""
    found: Level = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def configuration(level: Level) -> Iterator[JSONObject]:
    """The configuration under the policy; its identity and another one may patch it, and the policy is in force."""
    rendered = objects({"fullnameOverride": RELEASE}, POLICY_KUBERNETES)
    may_patch = rule("get patch", "mutatingwebhookconfigurations", GROUP)
    with (
        created(level.api, only("MutatingWebhookConfiguration", rendered)) as made,
        created(level.api, only("ValidatingAdmissionPolicy", rendered)),
        created(level.api, only("ValidatingAdmissionPolicyBinding", rendered)),
        user_who_may(level.server, ITSELF, may_patch),
        user_who_may(level.server, "somebody", may_patch),
    ):
        until(lambda: patched(level, ITSELF, {"metadata": METADATA_CHANGES["labels"]}).status == REFUSED, "the policy is in force", SECONDS)
        yield level.api.get(path_of(made))


def client(level: Level, user: str) -> KubernetesApi:
    """A client as this user."""
    kubeconfig = level.server.credentials.kubeconfig(level.server.server, user)
    # To the Kubernetes client the colons of the name would be between the paths of several files.
    return connect(kubeconfig.replace(kubeconfig.with_name(f"{user.rpartition(':')[2]}.kubeconfig")))


def patched(level: Level, user: str, change: JSONObject) -> ApiResponse:
    """The response to a merge patch as a dry run."""
    return client(level, user).request("PATCH", f"{CONFIGURATIONS}/{RELEASE}", change, MERGE, dryRun="All")


def with_webhook(configuration: JSONObject, change: JSONObject) -> JSONObject:
    """A merge patch that changes the only webhook."""
    (webhook,) = copy.deepcopy(configuration["webhooks"])
    config = {**webhook["clientConfig"], **change.get("clientConfig", {})}
    if "url" in config:
        del config["service"]
    return {"webhooks": [{**webhook, **change, "clientConfig": config}]}


def test_the_webhook_changes_its_ca_bundle(level: Level, configuration: JSONObject) -> None:
    response = patched(level, ITSELF, with_webhook(configuration, {"clientConfig": {"caBundle": CA_BUNDLE}}))

    assert response.status == OK, response.body
    assert response.body["webhooks"][0]["clientConfig"]["caBundle"] == CA_BUNDLE


@pytest.mark.parametrize("field", WEBHOOK_CHANGES)
def test_the_webhook_changes_no_other_field_and_others_do(field: str, level: Level, configuration: JSONObject) -> None:
    change = with_webhook(configuration, WEBHOOK_CHANGES[field])

    refused = patched(level, ITSELF, change)

    assert refused.status == REFUSED, refused.body
    assert "airflow-sidecar-webhook" in refused.body["message"]
    assert patched(level, "somebody", change).status == OK


@pytest.mark.parametrize("field", METADATA_CHANGES)
def test_the_webhook_changes_no_metadata_and_others_do(field: str, level: Level, configuration: JSONObject) -> None:
    del configuration
    change = {"metadata": METADATA_CHANGES[field]}

    refused = patched(level, ITSELF, change)

    assert refused.status == REFUSED, refused.body
    assert "changes no metadata" in refused.body["message"]
    assert patched(level, "somebody", change).status == OK


@pytest.mark.parametrize("count", [0, 2])
def test_the_webhook_adds_and_removes_no_webhook(count: int, level: Level, configuration: JSONObject) -> None:
    webhooks = [{**configuration["webhooks"][0], "name": f"{number}.airflow-sidecar-webhook.io"} for number in range(count)]

    refused = patched(level, ITSELF, {"webhooks": webhooks})

    assert refused.status == REFUSED, refused.body
    assert patched(level, "somebody", {"webhooks": webhooks}).status == OK


def test_the_policy_lists_every_field_that_the_api_server_knows(level: Level, configuration: JSONObject) -> None:
    del configuration
    schemas = level.api.get(f"/openapi/v3/apis/{GROUP}/v1")["components"]["schemas"]

    def fields(kind: str) -> set[str]:
        return set(schemas[f"io.k8s.api.admissionregistration.v1.{kind}"]["properties"])

    assert fields("MutatingWebhook") == {*WEBHOOK_CHANGES, "clientConfig"} - {"service", "url"}
    assert fields("WebhookClientConfig") == {"service", "url", "caBundle"}
    assert fields("MutatingWebhookConfiguration") == {"apiVersion", "kind", "metadata", "webhooks"}


def test_the_certificate_manager_works_under_the_policy(level: Level, configuration: JSONObject) -> None:
    """Its own way to write: server-side apply."""
    applied: dict[str, Any] = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {key: configuration["metadata"][key] for key in ("name", "uid")},
        "webhooks": [{"name": configuration["webhooks"][0]["name"], "clientConfig": {"caBundle": CA_BUNDLE}}],
    }

    response = client(level, ITSELF).request(
        "PATCH", f"{CONFIGURATIONS}/{RELEASE}", applied, "application/apply-patch+yaml", fieldManager="test", force="true", dryRun="All"
    )

    assert response.status == OK, response.body
