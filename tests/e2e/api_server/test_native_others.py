"""What other webhooks do to a native sidecar, or have yet to do to a placeholder: the API server takes the pod.

The injectors are SIMULATED (`simulated_injection.py` and `old_types.py` say what that cannot show). The order of the calls, the second
calls and the refusals are the API server's own.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.api_server import old_types
from tests.e2e.api_server.native_webhook import names, native_webhook, status_of, treated_by
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook
from tests.e2e.api_server.simulated_injection import (
    ISTIO,
    NEW_ISTIO,
    OLD_ISTIO,
    PROXY,
    STATUS,
    configuration,
    inject_with_own_template,
    injecting,
    injector_webhook,
)
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import registered, task_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply
    from tests.support.json_object import JSONObject

LABEL: Final = "others"
FORBIDDEN: Final = "may not be set for init containers without restartPolicy=Always"
_numbers = itertools.count()


@contextmanager
def other_webhook(level: Level, name: str, answer: Callable[[Call], ScriptedReply], labels: dict[str, str], policy: str) -> Iterator[None]:
    """A webhook that the API server calls after this product's, for the pods of the namespaces with these labels."""
    with ScriptedWebhook(answer) as server, new_namespace(level.api, LABEL, **NOT_OPTED_IN, **labels) as namespace:

        def is_called(api: ApiClient) -> bool:
            before = len(server.calls)
            api.request("POST", f"/api/v1/namespaces/{namespace}/pods", task_pod(namespace), dryRun="All")
            return len(server.calls) > before

        with registered(level.api, configuration(name, injector_webhook(f"{name}.{ISTIO}", server, labels, policy)), is_called):
            yield


def created(level: Level, namespace: str, pod: JSONObject) -> httpx.Response:
    """The API server's reply to a pod."""
    return level.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")


@pytest.mark.parametrize("server", ["api_server", "newest_api_server"])
def test_a_native_proxy_whose_mark_an_injector_with_old_types_removes_is_accepted_and_native(
    server: str, request: pytest.FixtureRequest
) -> None:
    """As vault-k8s before 1.4 does with agent-init-first; without this webhook the API server refuses the pod."""
    level: Level = request.getfixturevalue(server)
    labels = {LABEL: f"{next(_numbers)}"}
    with (
        other_webhook(level, f"others-1-istio-{labels[LABEL]}", injecting(NEW_ISTIO), labels, "Never"),
        other_webhook(level, f"others-2-old-{labels[LABEL]}", old_types.inject, labels, "Never"),
        native_webhook(level) as webhook,
    ):
        with new_namespace(level.api, LABEL, **NOT_OPTED_IN, **labels) as alone:
            annotated = task_pod(alone)
            annotated["metadata"]["annotations"] = {"sidecar.istio.io/nativeSidecar": "true"}
            refusal = created(level, alone, annotated)
        with treated_by(webhook, level.api, **labels) as namespace:
            pod = stored(level.api, task_pod(namespace), namespace)

    assert FORBIDDEN in refusal.json()["message"]
    status = status_of(pod)
    assert (status["treatment"], status["restored"]) == ("native", [PROXY])
    assert [one["restartPolicy"] for one in pod["spec"]["initContainers"] if one["name"] == PROXY] == ["Always"]
    assert pod["metadata"]["labels"]["seen-by-old-types"] == "true"


def filling(pod: JSONObject) -> JSONObject:
    """An Istio before 1.24, which merges its proxy into the user's container among the regular ones, or adds it there."""
    containers = pod["spec"]["containers"]
    placeholders = [one for one in containers if one["name"] == PROXY]
    if not placeholders or STATUS in pod["metadata"].get("annotations", {}):
        return OLD_ISTIO(pod)
    bare = {**pod, "spec": {**pod["spec"], "containers": [one for one in containers if one["name"] != PROXY]}}
    after = OLD_ISTIO(bare)
    after["spec"]["containers"][-1] |= {"image": placeholders[0]["image"]}
    return after


@pytest.mark.parametrize(("policy", "treatment"), [("Never", "native"), ("IfNeeded", "wrapped")])
def test_a_users_placeholder_is_accepted_and_treated_once_its_injector_has_filled_it(
    api_server: Level, policy: str, treatment: str
) -> None:
    """Moved before the injection, it would stand in both lists, and the API server would refuse the pod."""
    labels = {LABEL: f"{next(_numbers)}"}
    own = "registry.example.com/mirror/proxyv2:1.20.1"
    with (
        other_webhook(api_server, f"others-1-istio-{labels[LABEL]}", injecting(filling), labels, policy),
        native_webhook(api_server) as webhook,
        treated_by(webhook, api_server.api, **labels) as namespace,
    ):
        pod = task_pod(namespace)
        pod["spec"]["containers"].append({"name": PROXY, "image": own})
        treated = stored(api_server.api, pod, namespace)

    spec = treated["spec"]
    assert status_of(treated)["treatment"] == treatment
    assert [one["image"] for one in (*spec["containers"], *spec["initContainers"]) if one["name"] == PROXY] == [own]
    assert (PROXY in names(spec["initContainers"])) == (treatment == "native")


@pytest.mark.parametrize("native_sidecars", ["auto", "off"])
def test_a_container_that_an_injector_puts_first_between_two_reviews_is_not_taken_for_the_task(
    api_server: Level, native_sidecars: str
) -> None:
    """Wrapped as the task, it would wait for a proxy that starts only after its hook has ended."""
    labels = {LABEL: f"{next(_numbers)}"}
    with (
        other_webhook(api_server, f"others-1-mount-{labels[LABEL]}", injecting(mounting), labels, "Never"),
        other_webhook(api_server, f"others-2-istio-{labels[LABEL]}", injecting(OLD_ISTIO), labels, "Never"),
        native_webhook(api_server, {"NATIVE_SIDECARS": native_sidecars}) as webhook,
        treated_by(webhook, api_server.api, **labels) as namespace,
    ):
        pod = task_pod(namespace)
        task = {**pod["spec"]["containers"][0], "name": "main", "command": ["/bin/sh", "-c", "exit 3"]}
        pod["spec"]["containers"] = [task]
        treated = stored(api_server.api, pod, namespace)

    status = status_of(treated)
    mount, main = treated["spec"]["containers"][:2]
    assert (status["treatment"], status["main"], status["may_keep_running"]) == (
        "native" if native_sidecars == "auto" else "wrapped",
        "main",
        [MOUNT["name"]],
    )
    assert (mount["name"], mount["command"]) == (MOUNT["name"], MOUNT["command"])
    assert (main["command"] == task["command"]) is (native_sidecars == "auto")


MOUNT: Final = {
    "name": "mount-0",
    "image": "registry.example.com/mount:1",
    "command": ["/mount"],
    "lifecycle": {"postStart": {"exec": {"command": ["/wait"]}}},
}
"""A container of an injector that nobody knows, as Fluid and JuiceFS have them."""


def mounting(pod: JSONObject) -> JSONObject:
    """The pod with that container before all others."""
    spec = pod["spec"]
    is_there = MOUNT["name"] in names(spec["containers"])
    return pod if is_there else {**pod, "spec": {**spec, "containers": [MOUNT, *spec["containers"]]}}


def test_a_pod_that_names_a_template_of_the_meshs_own_is_accepted_since_nothing_makes_istio_add_its_proxy_twice(api_server: Level) -> None:
    labels = {LABEL: f"{next(_numbers)}"}
    templates = {"inject.istio.io/templates": "sidecar,own"}
    with (
        other_webhook(api_server, f"others-1-istio-{labels[LABEL]}", injecting(inject_with_own_template), labels, "Never"),
        native_webhook(api_server) as webhook,
    ):
        with new_namespace(api_server.api, LABEL, **NOT_OPTED_IN, **labels) as alone:
            annotated = task_pod(alone)
            annotated["metadata"]["annotations"] = {**templates, "sidecar.istio.io/nativeSidecar": "true"}
            refusal = created(api_server, alone, annotated)
        with treated_by(webhook, api_server.api, **labels) as namespace:
            pod = task_pod(namespace)
            pod["metadata"]["annotations"] = templates
            treated = stored(api_server.api, pod, namespace)

    spec = treated["spec"]
    assert f'Duplicate value: "{PROXY}"' in refusal.json()["message"]
    assert names([*spec["containers"], *spec["initContainers"]]).count(PROXY) == 1
    assert status_of(treated)["treatment"] == "native"
