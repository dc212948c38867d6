"""A pod that the API server accepts for its requests and limits is accepted with its sidecar made native."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from demo.simulated_injectors import inject_istio
from testbed.wait import until
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import task_pod
from tests.support.pods import ABLE_CLUSTER
from webhook.core import default_policy, treat

if TYPE_CHECKING:
    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

LABEL: Final = "aggregate"
READ_SECONDS: Final = 60
"""Longer than the API server takes to see a new LimitRange."""

MOST: Final = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "most"},
    "spec": {"limits": [{"type": "Pod", "max": {"cpu": "2"}}]},
}


def of_two_processors(namespace: str, **spec: object) -> JSONObject:
    """A pod whose init container needs all of two processors, and whose task and sidecar need less."""
    pod = task_pod(namespace)
    pod["spec"] |= {"initContainers": [{"name": "fetch", "image": "alpine:3", **with_cpu("2")}], **spec}
    pod["spec"]["containers"][0] |= with_cpu("1")
    pod["spec"]["containers"].append(
        {"name": "database", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", **with_cpu("500m")}
    )
    return pod


def with_cpu(amount: str) -> JSONObject:
    """Requests and limits of this."""
    return {"resources": {"requests": {"cpu": amount}, "limits": {"cpu": amount}}}


def converted(pod: JSONObject) -> JSONObject:
    """The pod with its sidecar made native."""
    outcome = treat(pod, default_policy(), ABLE_CLUSTER)
    assert outcome.result == "native"
    after: JSONObject = outcome.patched(pod)
    return after


def reviewed(pod: JSONObject) -> JSONObject:
    """The pod after the webhook's first call, before the injection."""
    after: JSONObject = treat(pod, default_policy(), ABLE_CLUSTER).patched(pod)
    return after


def sidecar_first(pod: JSONObject) -> JSONObject:
    """The converted pod with the sidecar before its init container."""
    pod["spec"]["initContainers"].reverse()
    return pod


def created(api: ApiClient, pod: JSONObject) -> httpx.Response:
    """The API server's reply."""
    return api.request("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod, dryRun="All")


def test_a_pod_that_fits_its_own_resources_fits_them_after_the_conversion(api_server: Level) -> None:
    with new_namespace(api_server.api, LABEL, **NOT_OPTED_IN) as namespace:
        pod = of_two_processors(namespace, **with_cpu("2"))
        refused = created(api_server.api, sidecar_first(converted(pod)))

        assert created(api_server.api, pod).is_success
        assert created(api_server.api, converted(pod)).is_success
        assert "must be greater than or equal to aggregate container requests of 2500m" in refused.text


def test_a_pod_that_fits_a_limit_range_fits_it_after_the_conversion(api_server: Level) -> None:
    with new_namespace(api_server.api, LABEL, **NOT_OPTED_IN) as namespace:
        pod = of_two_processors(namespace)
        first = sidecar_first(converted(pod))
        api_server.api.create({**MOST, "metadata": {"name": "most", "namespace": namespace}})
        until(lambda: not created(api_server.api, first).is_success, "the API server has seen the LimitRange", READ_SECONDS)

        assert created(api_server.api, pod).is_success
        assert created(api_server.api, converted(pod)).is_success
        assert "maximum cpu usage per Pod is 2, but limit is 2500m" in created(api_server.api, first).text


def of_two_processors_in_istio(namespace: str) -> JSONObject:
    """A pod that will get Istio's proxy, with an init container that needs all of the pod's two processors."""
    pod = task_pod(namespace)
    pod["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
    pod["spec"] |= {"initContainers": [{"name": "fetch", "image": "alpine:3", **with_cpu("2")}], **with_cpu("2")}
    pod["spec"]["containers"][0] |= with_cpu("1")
    return pod


def injected(pod: JSONObject) -> JSONObject:
    """The pod with Istio's proxy, SIMULATED, which needs a tenth of a processor."""
    after = inject_istio(pod)
    containers = (*after["spec"]["containers"], *after["spec"]["initContainers"])
    next(one for one in containers if one["name"] == "istio-proxy").update(with_cpu("100m"))
    return after


def test_a_pod_that_fits_its_own_resources_with_an_injected_proxy_fits_them_with_a_native_one(api_server: Level) -> None:
    with new_namespace(api_server.api, LABEL, **NOT_OPTED_IN) as namespace:
        pod = of_two_processors_in_istio(namespace)
        asked = copy.deepcopy(pod)
        asked["metadata"].setdefault("annotations", {})["sidecar.istio.io/nativeSidecar"] = "true"
        refused = created(api_server.api, injected(asked))

        assert created(api_server.api, injected(pod)).is_success
        assert created(api_server.api, converted(injected(reviewed(pod)))).is_success
        assert "must be greater than or equal to aggregate container requests of 2100m" in refused.text
