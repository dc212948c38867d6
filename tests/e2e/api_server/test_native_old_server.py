"""Clusters without native sidecars, or with those of an older Kubernetes, by emulation: what becomes of a pod, forced or not.

The injections are SIMULATED (`demo/simulated_injectors.py`): a proxy with probes, and an agent without any, as the real ones have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_linkerd, inject_vault
from tests.e2e.api_server.native_webhook import names, native_webhook, status_of, supports, treated_by
from tests.e2e.api_server.nodes import nodes
from tests.e2e.api_server.simulated_injection import annotated_for_vault
from tests.e2e.api_server.submission import stored
from tests.e2e.levels import api_server_level
from tests.e2e.registration import task_pod
from webhook.core.cluster import NativeSupport, NativeSwitch
from webhook.core.names import MODE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


FORCED: Final = {"NATIVE_SIDECARS": NativeSwitch.ON.value}
REFUSED: Final = 422
KUBELET: Final = "v1.32.13"
"""Of the old server's own minor version."""


def vault(pod: JSONObject) -> JSONObject:
    """With HashiCorp's agent, which has neither probes nor hooks."""
    return inject_vault(annotated_for_vault(pod))


def linkerd(pod: JSONObject) -> JSONObject:
    """With Linkerd's proxy, which has a named port that a Service may refer to."""
    annotated = {**pod, "metadata": {**pod["metadata"], "annotations": {"linkerd.io/inject": "enabled"}}}
    injected = inject_linkerd(annotated)
    injected["spec"]["containers"][0]["ports"] = [{"name": "own-metrics", "containerPort": 4195}]
    return injected


def create(api: ApiClient, pod: JSONObject) -> httpx.Response:
    """The API server's reply to a pod."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
    return api.request("POST", path, pod, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize(
    ("kubelets", "lack"),
    [({}, NativeSupport.OLD_KUBELET), ({"node": KUBELET}, NativeSupport.EMULATING_SERVER)],
    ids=["no node", "new nodes"],
)
def test_auto_wraps_whatever_nodes_are_there(kubelets: dict[str, str], lack: NativeSupport, old_api_server: Level) -> None:
    """The feature gate is off, which no right of the webhook's shows: that the server emulates such a version is enough."""
    api = old_api_server.api
    with nodes(api, **kubelets), native_webhook(old_api_server) as webhook, treated_by(webhook, api) as namespace:
        pod = stored(api, inject_istio(task_pod(namespace)), namespace)

        assert supports(webhook) == [lack]
    status = status_of(pod)
    assert (status["treatment"], status["no_native"]) == ("wrapped", lack)
    assert names(pod["spec"]["containers"]) == ["base", "istio-proxy"]


def test_a_pod_that_wants_native_sidecars_alone_is_left_with_a_warning(old_api_server: Level) -> None:
    with native_webhook(old_api_server) as webhook, treated_by(webhook, old_api_server.api) as namespace:
        pod = inject_istio(task_pod(namespace))
        pod["metadata"]["annotations"][MODE_ANNOTATION] = "native"
        response = create(old_api_server.api, pod)

    assert response.is_success
    status = status_of(response.json())
    assert (status["treatment"], status["reason"], status["no_native"]) == ("left", "native-only", "old-kubelet")
    assert "native-only" in response.headers["warning"]


def test_a_proxy_that_was_made_native_by_force_has_its_pod_refused(old_api_server: Level) -> None:
    """The server drops its restartPolicy without a warning, and the fields that an ordinary init container may not have stay."""
    with native_webhook(old_api_server, FORCED) as webhook, treated_by(webhook, old_api_server.api) as namespace:
        response = create(old_api_server.api, inject_istio(task_pod(namespace)))

    assert response.status_code == REFUSED
    causes = {cause["field"]: cause["message"] for cause in response.json()["details"]["causes"]}
    assert causes == {
        f"spec.initContainers[1].{field}": "Forbidden: may not be set for init containers without restartPolicy=Always"
        for field in ("lifecycle", "readinessProbe", "startupProbe")
    }


def test_an_agent_that_was_made_native_by_force_loses_its_mark_and_is_an_init_container_that_never_ends(old_api_server: Level) -> None:
    with native_webhook(old_api_server, FORCED) as webhook, treated_by(webhook, old_api_server.api) as namespace:
        response = create(old_api_server.api, vault(task_pod(namespace)))

    assert response.is_success
    assert "warning" not in response.headers
    spec = response.json()["spec"]
    assert names(spec["containers"]) == ["base"]
    assert names(spec["initContainers"]) == ["vault-agent-init", "vault-agent"]
    assert "restartPolicy" not in spec["initContainers"][1]
    assert status_of(response.json())["sidecars"] == {"vault-agent": "native"}


@pytest.fixture(scope="module")
def server_of_1_31() -> Iterator[Level]:
    """Native sidecars are there, and a Service does not see their named ports yet."""
    with api_server_level("API server, 1.31 by emulation", ("--emulated-version=1.31",)) as level:
        yield level


@pytest.mark.parametrize(("server", "is_moved"), [("server_of_1_31", False), ("api_server", True), ("newest_api_server", True)])
def test_a_proxy_with_a_named_port_of_its_users_own_is_native_only_where_a_service_sees_that(
    server: str, is_moved: bool, request: pytest.FixtureRequest
) -> None:
    level: Level = request.getfixturevalue(server)
    with native_webhook(level, FORCED) as webhook, treated_by(webhook, level.api) as namespace:
        pod = stored(level.api, linkerd(task_pod(namespace)), namespace)

    assert ("linkerd-proxy" in names(pod["spec"]["initContainers"])) == is_moved
    assert status_of(pod).get("not_converted") == (None if is_moved else {"linkerd-proxy": "named-port"})


def test_a_sidecar_without_named_ports_is_native_on_a_server_of_1_31_too(server_of_1_31: Level) -> None:
    api = server_of_1_31.api
    with native_webhook(server_of_1_31, FORCED) as webhook, treated_by(webhook, api) as namespace:
        pod = stored(api, inject_istio(task_pod(namespace)), namespace)

    assert pod["spec"]["initContainers"][1]["restartPolicy"] == "Always"
    assert status_of(pod)["treatment"] == "native"
