"""What an API server adds to a pod before our webhook sees it, and takes of a native sidecar: the rules of the conversion rely on it.

The proxy is SIMULATED (`demo/simulated_injectors.py`) in its regular form, with requests as a real one has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.e2e.api_server.native_webhook import native_webhook, status_of, treated_by
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook
from tests.e2e.api_server.simulated_injection import configuration, injector_webhook
from tests.e2e.api_server.submission import stored
from tests.e2e.levels import api_server_level
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import registered, task_pod
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


LABEL: Final = "reviewed"
NATIVE_SERVERS: Final = ("api_server", "newest_api_server")
RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
RESIZED: Final = [{"resourceName": resource, "restartPolicy": "NotRequired"} for resource in ("cpu", "memory")]
"""The one policy that a pod with restartPolicy Never may have for any of its containers."""

DEFAULTS: Final = {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
"""What every container is given."""


def proxied(namespace: str, **fields: object) -> JSONObject:
    """A task's pod with Istio's proxy, which has these fields too."""
    pod = inject_istio(task_pod(namespace))
    proxy_of(pod).update({"resources": RESOURCES, **fields})
    return pod


def proxy_of(pod: JSONObject) -> JSONObject:
    """Istio's proxy, in whichever list it is."""
    spec = pod["spec"]
    proxy: JSONObject = next(one for one in (*spec["containers"], *spec["initContainers"]) if one["name"] == "istio-proxy")
    return proxy


def reviewed(api: ApiClient, **fields: object) -> JSONObject:
    """The proxy as a webhook sees it."""
    with ScriptedWebhook() as onlooker, new_namespace(api, LABEL, **NOT_OPTED_IN, **{LABEL: "yes"}) as namespace:

        def is_called(_api: ApiClient) -> bool:
            before = len(onlooker.calls)
            api.create(proxied(namespace, **fields), dryRun="All")
            return len(onlooker.calls) > before

        webhook = injector_webhook("pods.onlooker.example", onlooker, {LABEL: "yes"}, "Never")
        with registered(api, configuration("onlooker", webhook), is_called):
            return proxy_of(onlooker.calls[-1].pod)


@pytest.mark.parametrize("server", [*NATIVE_SERVERS, "old_api_server"])
def test_a_proxy_comes_with_these_defaults_and_no_others(server: str, request: pytest.FixtureRequest) -> None:
    level: Level = request.getfixturevalue(server)
    sent = proxy_of(proxied("anywhere"))
    seen = reviewed(level.api)

    assert {name: value for name, value in seen.items() if sent.get(name) != value} == {
        **DEFAULTS,
        "readinessProbe": {
            **sent["readinessProbe"],
            "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
            "successThreshold": 1,
        },
        "startupProbe": {
            **sent["startupProbe"],
            "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
            "successThreshold": 1,
        },
    }
    assert "resizePolicy" not in seen


@pytest.mark.parametrize("server", NATIVE_SERVERS)
def test_a_proxy_is_moved_with_all_of_them(server: str, request: pytest.FixtureRequest) -> None:
    level: Level = request.getfixturevalue(server)
    seen = reviewed(level.api, resizePolicy=RESIZED)
    with native_webhook(level) as webhook, treated_by(webhook, level.api) as namespace:
        pod = stored(level.api, proxied(namespace, resizePolicy=RESIZED), namespace)
    moved = pod["spec"]["initContainers"][1]

    assert moved.pop("restartPolicy") == "Always"
    assert list(moved.pop("lifecycle")) == ["preStop"]
    assert moved == seen
    assert moved["resizePolicy"] == RESIZED


@pytest.fixture(scope="module")
def server_of_1_32() -> Iterator[Level]:
    """Native sidecars are there, and the resizing of containers is not: its feature gate is off before 1.33."""
    with api_server_level("API server, 1.32 by emulation", ("--emulated-version=1.32",)) as level:
        yield level


def create_with_resize_policy(api: ApiClient, **fields: object) -> httpx.Response:
    """The API server's reply to a pod whose init container has a resize policy."""
    with new_namespace(api, LABEL, **NOT_OPTED_IN) as namespace:
        init = {"name": "init", "image": "init:1", "resizePolicy": RESIZED, **fields}
        pod = task_pod(namespace, initContainers=[init])
        return api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("fields", [{}, {"restartPolicy": "Always"}], ids=["init container", "native sidecar"])
@pytest.mark.parametrize(("server", "stays"), [("api_server", True), ("newest_api_server", True), ("server_of_1_32", False)])
def test_the_resize_policy_of_an_init_container_is_taken_or_dropped_in_silence_but_never_refused(
    server: str, stays: bool, fields: JSONObject, request: pytest.FixtureRequest
) -> None:
    """Real servers before 1.33 may refuse it, which no emulation shows: their validation is not that of the emulating program."""
    level: Level = request.getfixturevalue(server)
    response = create_with_resize_policy(level.api, **fields)

    assert response.is_success
    assert "warning" not in response.headers
    assert ("resizePolicy" in response.json()["spec"]["initContainers"][0]) == stays


@pytest.mark.parametrize("server", NATIVE_SERVERS)
def test_a_native_sidecar_may_name_a_port_as_another_container_does(server: str, request: pytest.FixtureRequest) -> None:
    level: Level = request.getfixturevalue(server)
    port = {"name": "http-envoy-prom", "containerPort": 15090}
    with native_webhook(level) as webhook, treated_by(webhook, level.api) as namespace:
        pod = proxied(namespace)
        pod["spec"]["containers"][0]["ports"] = [port]
        treated = stored(level.api, pod, namespace)

    assert proxy_of(treated)["ports"] == treated["spec"]["containers"][0]["ports"] == [{**port, "protocol": "TCP"}]
    assert treated["spec"]["initContainers"][1]["name"] == "istio-proxy"


@pytest.mark.parametrize("server", NATIVE_SERVERS)
def test_on_the_hosts_network_every_port_is_one_of_the_host_and_the_proxy_stays(server: str, request: pytest.FixtureRequest) -> None:
    level: Level = request.getfixturevalue(server)
    with native_webhook(level) as webhook, treated_by(webhook, level.api) as namespace:
        pod = proxied(namespace)
        pod["spec"]["hostNetwork"] = True
        treated = stored(level.api, pod, namespace)

    assert proxy_of(treated)["ports"] == [{"name": "http-envoy-prom", "containerPort": 15090, "hostPort": 15090, "protocol": "TCP"}]
    assert status_of(treated)["not_converted"] == {"istio-proxy": NotConvertedReason.HOST_PORT}
