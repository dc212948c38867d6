"""The container that brings a shell passes whatever the task passes: the restricted Pod Security Standard, a LimitRange, a ResourceQuota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.own_webhook import OwnWebhook, own_webhook
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import task_pod
from tests.support.pods import admitted, pods_in
from webhook.core.names import HELPER_CONTAINER, HELPER_VOLUME
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from testbed.levels import Level
    from tests.support.json_object import JSONObject


IMAGE: Final = "registry.example/busybox:1"
PODS: Final = dict(pods_in("", "kpo_template_multi.json"))
"""Those with a task of which nobody knows whether its image has a shell."""

SECONDS: Final = 60
CREATED: Final = 201

RESTRICTED: Final = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/"""

SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
AMOUNTS: Final = {"cpu": "100m", "memory": "128Mi"}
BOTH_AMOUNTS: Final = {"cpu": "200m", "memory": "256Mi"}


@pytest.fixture(scope="module")
def helping(any_api_server: Level) -> Iterator[OwnWebhook]:
    """A webhook that has a helper image."""
    with own_webhook(any_api_server, {"HELPER_IMAGE": IMAGE}) as own:
        yield own


@pytest.mark.parametrize("path", PODS)
def test_a_pod_with_the_helper_is_accepted_and_becomes_what_the_core_decides(helping: OwnWebhook, path: str) -> None:
    policy = build_policy(Settings(helper_image=IMAGE))
    with new_namespace(helping.api, "bystander", **NOT_OPTED_IN) as bystander:
        untouched = stored(helping.api, inject_istio(PODS[path]), bystander)
        decided = admitted(untouched, policy)[1]

        assert stored(helping.api, inject_istio(PODS[path]), helping.namespace) == stored(helping.api, decided, bystander)
    assert HELPER_CONTAINER in [container["name"] for container in decided["spec"]["initContainers"]]
    assert HELPER_VOLUME in [volume["name"] for volume in decided["spec"]["volumes"]]


def frugal_pod(namespace: str, **security: object) -> JSONObject:
    """A task beside a proxy, both as frugal and as restricted as can be, in an image that nobody knows."""
    container = {
        "image": "registry.example/distroless:1",
        "command": ["/task"],
        "securityContext": {**SECURITY, **security},
        "resources": {"requests": AMOUNTS, "limits": AMOUNTS},
    }
    pod = task_pod(namespace, containers=[{"name": "base", **container}, {"name": "istio-proxy", **container}])
    pod["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    pod["metadata"]["annotations"] = {"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'}
    return pod


def send(helping: OwnWebhook, pod: JSONObject) -> httpx.Response:
    return helping.api.request("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod, dryRun="All")


def has_helper(response: httpx.Response) -> bool:
    return HELPER_CONTAINER in [container["name"] for container in response.json()["spec"].get("initContainers", ())]


def test_the_helper_keeps_to_the_restricted_standard(helping: OwnWebhook) -> None:
    with new_namespace(helping.api, "restricted", **helping.labels, **RESTRICTED) as namespace:
        refused = send(helping, frugal_pod(namespace, allowPrivilegeEscalation=True))
        response = send(helping, frugal_pod(namespace))

    assert "violates PodSecurity" in refused.text
    assert response.status_code == CREATED, response.text
    assert "warning" not in response.headers
    assert has_helper(response)


def limit(helping: OwnWebhook, namespace: str) -> None:
    """Leave to the pods of a namespace what one frugal pod needs, and to a container what one of its needs."""
    place = {"metadata": {"name": "frugal", "namespace": namespace}, "apiVersion": "v1"}
    hard = {f"{kind}.{name}": amount for kind in ("requests", "limits") for name, amount in BOTH_AMOUNTS.items()}
    quota = helping.api.create({**place, "kind": "ResourceQuota", "spec": {"hard": hard}})
    # What a controller would do: say that the quota holds.
    helping.api.patch(f"{path_of(quota)}/status", {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}})
    helping.api.create({**place, "kind": "LimitRange", "spec": {"limits": [{"type": "Container", "min": AMOUNTS, "max": AMOUNTS}]}})


def test_the_helper_requests_no_more_than_a_limit_range_and_a_quota_leave_to_the_pod(helping: OwnWebhook) -> None:
    with new_namespace(helping.api, "limited", **helping.labels) as namespace:
        limit(helping, namespace)
        another = {"name": "another", "image": "another:1"}
        wasteful, bare = frugal_pod(namespace), frugal_pod(namespace)
        wasteful["spec"]["containers"].append({**another, "resources": {"requests": AMOUNTS, "limits": AMOUNTS}})
        bare["spec"]["initContainers"] = [{**another, "resources": {"requests": {"cpu": "1m"}}}]
        until(lambda: "exceeded quota" in send(helping, wasteful).text, "the quota is enforced", SECONDS)
        until(lambda: "minimum cpu usage" in send(helping, bare).text, "the limit range is enforced", SECONDS)
        response = send(helping, frugal_pod(namespace))

    assert response.status_code == CREATED, response.text
    assert has_helper(response)
