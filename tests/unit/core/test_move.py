"""A container that is native already, and comes once more as a regular one: it goes only where nothing is lost with it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted, container
from tests.support.task_pods import FLUENT_BIT, after_conversion, annotated, native, regular_of, task_pod
from webhook.core import names
from webhook.core.admission import treat

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

AUDIT: Final[JSONObject] = {
    "name": "audit",
    "image": "registry.example.com/audit:1",
    "command": ["/audit"],
    "args": ["--all"],
    "env": [{"name": "COLLECTOR", "value": "https://audit.example.com"}],
    "envFrom": [{"secretRef": {"name": "audit"}}],
    "imagePullPolicy": "IfNotPresent",
    "lifecycle": {"preStop": {"httpGet": {"path": "/flush", "port": 8080}}},
    "livenessProbe": {"httpGet": {"port": 8080}},
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
    "securityContext": {"runAsUser": 1000},
    "volumeMounts": [{"name": "logs", "mountPath": "/logs"}],
    "workingDir": "/audit",
}
"""What another webhook adds to each pod that has no regular container of this name. The user of the pod describes it as one that may be native."""

NATIVE_AUDIT: Final = json.dumps([{"name": "audit", "native": True, "ready": {"port": 8080, "path": "/ready"}}])
TOKEN: Final[dict[str, Any]] = {
    "name": "kube-api-access-x7k2p",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}
VOLUMES: Final = ("logs", "own", TOKEN["name"])


@pytest.fixture
def converted(policy: Policy) -> JSONObject:
    """The pod as it is after the first review, with the container that the other webhook has added."""
    after = after_conversion(task_pod(AUDIT, volumes=VOLUMES, annotations={names.SIDECARS_ANNOTATION: NATIVE_AUDIT}), policy)
    assert native(after, "audit")
    return after


def added_again(pod: JSONObject, **changes: Any) -> JSONObject:
    """The pod after the other webhook was called again, with these changes in the native sidecar."""
    again = copy.deepcopy(pod)
    native(again, "audit").update(copy.deepcopy(changes))
    again["spec"]["containers"].append(copy.deepcopy(AUDIT))
    return again


def test_a_container_that_its_injector_adds_again_goes(converted: JSONObject, policy: Policy) -> None:
    assert after_conversion(added_again(converted), policy) == converted


OTHERS: Final[dict[str, JSONObject]] = {
    "another image": {"image": "registry.example.com/pause:1"},
    "another command": {"command": ["/bin/true"]},
    "other args": {"args": ["--none"]},
    "another variable": {"env": [{"name": "COLLECTOR", "value": "https://example.com"}]},
    "one variable more": {"env": [*AUDIT["env"], {"name": "LD_PRELOAD", "value": "/logs/own.so"}]},
    "variables from another place": {"envFrom": [{"secretRef": {"name": "own"}}]},
    "an image that is never pulled": {"imagePullPolicy": "Never"},
    "another hook": {"lifecycle": {"preStop": {"httpGet": {"path": "/", "port": 8080}}}},
    "one hook more": {"lifecycle": AUDIT["lifecycle"] | {"postStart": {"exec": {"command": ["kill", "1"]}}}},
    "no hook": {"lifecycle": {}},
    "another liveness probe": {"livenessProbe": {"exec": {"command": ["false"]}}},
    "another port": {"ports": [{"containerPort": 8081}]},
    "another readiness probe": {"readinessProbe": {"exec": {"command": ["true"]}}},
    "another startup probe": {"startupProbe": {"exec": {"command": ["true"]}}},
    "another request": {"resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "64Mi"}}},
    "another amount": {"resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "1Mi"}}},
    "an amount less": {"resources": {"requests": {"cpu": "10m"}}},
    "a claim": {"resources": AUDIT["resources"] | {"claims": [{"name": "own"}]}},
    "another user": {"securityContext": {"runAsUser": 0}},
    "a device": {"volumeDevices": [{"name": "own", "devicePath": "/dev/disk"}]},
    "another volume": {"volumeMounts": [{"name": "own", "mountPath": "/logs"}]},
    "a volume less": {"volumeMounts": []},
    "a token of the user's": {"volumeMounts": [*AUDIT["volumeMounts"], TOKEN | {"name": "own"}]},
    "a token elsewhere": {"volumeMounts": [*AUDIT["volumeMounts"], TOKEN | {"mountPath": "/audit"}]},
    "another directory": {"workingDir": "/"},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_one_that_is_not_the_same_is_not_removed_in_favour_of_the_native_one(
    changes: JSONObject, converted: JSONObject, policy: Policy
) -> None:
    """The status says that the webhook has made it native: whoever creates the pod can write that, too."""
    pod = added_again(converted, **changes)
    outcome = treat(pod, policy, ABLE_CLUSTER)

    assert (str(outcome.reason), outcome.operations) == ("duplicate-names", ())
    assert ["audit" in f"{remedy.sentence} {remedy.text}" for remedy in outcome.remedies] == [True]


LESS: Final[dict[str, tuple[str, Any]]] = {
    "the startup probe": ("startupProbe", {"exec": {"command": ["true"]}}),
    "the claim": ("resources", AUDIT["resources"] | {"claims": [{"name": "device"}]}),
}


@pytest.mark.parametrize(("field", "value"), LESS.values(), ids=LESS)
def test_one_that_has_less_than_the_regular_one_is_not_the_same_and_one_that_has_as_much_is(
    field: str, value: Any, converted: JSONObject, policy: Policy
) -> None:
    less, same = added_again(converted), added_again(converted, **{field: value})
    native(less, "audit").pop("startupProbe")
    for pod in (less, same):
        pod["spec"]["containers"][-1][field] = copy.deepcopy(value)

    assert str(treat(less, policy, ABLE_CLUSTER).reason) == "duplicate-names"
    assert regular_of(admitted(same, policy, ABLE_CLUSTER)[1]) == ["base"]


def test_nor_where_the_users_own_native_sidecar_was_there_first_in_any_order_of_the_webhooks(policy: Policy) -> None:
    own = {"name": "audit", "image": "registry.example.com/pause:1", "restartPolicy": "Always"}
    user = task_pod(inits=(own,), annotations={names.SIDECARS_ANNOTATION: NATIVE_AUDIT})
    reviewed = admitted(user, policy, ABLE_CLUSTER)[1]
    for pod in (user, reviewed):
        pod["spec"]["containers"].append(copy.deepcopy(AUDIT))
        assert str(treat(pod, policy, ABLE_CLUSTER).reason) == "duplicate-names"


FROM_THE_API_SERVER: Final[dict[str, JSONObject]] = {
    "the token of the service account": {"volumeMounts": [*AUDIT["volumeMounts"], TOKEN]},
    "the amounts of a LimitRange": {
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    },
    "that its image is always pulled": {"imagePullPolicy": "Always"},
    "the defaults of a probe and of a request": {
        "lifecycle": {"preStop": {"httpGet": {"path": "/flush", "port": 8080, "scheme": "HTTP"}}},
    },
    "defaults that change nothing": {
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    "empty lists": {"restartPolicyRules": []},
}


@pytest.mark.parametrize("changes", FROM_THE_API_SERVER.values(), ids=FROM_THE_API_SERVER)
def test_what_the_api_server_has_added_to_it_in_between_is_no_difference(
    changes: JSONObject, converted: JSONObject, policy: Policy
) -> None:
    pod = added_again(converted, **changes)
    after = admitted(pod, policy, ABLE_CLUSTER)[1]

    assert regular_of(after) == ["base"]
    assert after["spec"]["initContainers"] == pod["spec"]["initContainers"]


def test_nor_are_its_defaults_of_the_startup_probe_that_the_conversion_has_added(converted: JSONObject, policy: Policy) -> None:
    probe = native(converted, "audit")["startupProbe"]
    stored = {"timeoutSeconds": 1, "successThreshold": 1, **probe, "httpGet": probe["httpGet"] | {"scheme": "HTTP"}}
    after = admitted(added_again(converted, startupProbe=stored), policy, ABLE_CLUSTER)[1]

    assert regular_of(after) == ["base"]


FIELDS: Final = (*AUDIT, "resizePolicy", "restartPolicyRules", "startupProbe", "volumeDevices")
BROKEN: Final[tuple[Any, ...]] = (
    5,
    "x",
    True,
    [],
    [5],
    [None],
    [{}],
    {},
    {"a": 5},
    {"httpGet": 5},
    {"requests": [5], "limits": {"cpu": [5]}},
    None,
)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_a_wrong_type_in_either_of_them_is_no_fault(field: str, converted: JSONObject, policy: Policy) -> None:
    for value in BROKEN:
        pod = added_again(converted)
        for broken in (native(pod, "audit"), pod["spec"]["containers"][-1]):
            broken[field] = value
            treat(pod, policy, ABLE_CLUSTER)


def test_a_container_that_is_nested_deeper_than_any_is_none_that_is_the_same(converted: JSONObject, policy: Policy) -> None:
    """Whoever reaches the service can send it; the API server decodes no such pod."""
    pod = added_again(converted, lifecycle={"preStop": "native"})
    pod["spec"]["containers"][-1]["lifecycle"] = {"preStop": "regular"}
    text = json.dumps(pod).encode()
    for depth in range(800, 1010, 7):
        deep = text
        for word, content in ((b'"native"', b"1"), (b'"regular"', b"2")):
            deep = deep.replace(b'"preStop": ' + word, b'"preStop": ' + b"[" * depth + content + b"]" * depth)
        assert str(treat(deep, policy, ABLE_CLUSTER).reason) in {"duplicate-names", "malformed-pod"}


INJECTED: Final[dict[str, tuple[Injector, dict[str, str], str]]] = {
    "Istio": (inject_istio, {}, "istio-proxy"),
    "Linkerd": (inject_linkerd, {"linkerd.io/inject": "enabled"}, "linkerd-proxy"),
    "Vault": (inject_vault, {"vault.hashicorp.com/agent-inject": "true"}, "vault-agent"),
}


@pytest.mark.parametrize(("inject", "annotations", "name"), INJECTED.values(), ids=INJECTED)
def test_what_a_conversion_changes_is_no_difference(inject: Injector, annotations: dict[str, str], name: str, policy: Policy) -> None:
    """Hooks, probes and variables of the known sidecars."""
    injected = inject(annotated(task_pod(), annotations))
    once = after_conversion(injected, policy)
    again = copy.deepcopy(once)
    again["spec"]["containers"].append(copy.deepcopy(container(injected, name)))

    assert after_conversion(again, policy) == once


def test_a_sidecar_that_is_never_converted_is_the_same_only_as_it_is(policy: Policy) -> None:
    """Datadog's injector knows no native form, and its row has no conversion."""
    agent = {"name": "datadog-agent-injected", "image": "datadog/agent:7", "args": ["run"]}
    pod = task_pod(agent, inits=(agent | {"restartPolicy": "Always"},))
    other = task_pod(agent | {"args": []}, inits=(agent | {"restartPolicy": "Always"},))

    assert regular_of(admitted(pod, policy, ABLE_CLUSTER)[1]) == ["base"]
    assert str(treat(other, policy, ABLE_CLUSTER).reason) == "duplicate-names"


def test_one_of_two_that_are_added_again_and_is_another_leaves_the_pod_as_it_is(converted: JSONObject, policy: Policy) -> None:
    pod = added_again(converted)
    pod["spec"]["initContainers"].append(FLUENT_BIT | {"restartPolicy": "Always"})
    pod["spec"]["containers"].append(FLUENT_BIT | {"args": ["--other"]})

    assert str(treat(pod, policy, ABLE_CLUSTER).reason) == "duplicate-names"


def test_a_proxy_that_an_annotation_has_istio_render_natively_may_come_with_a_regular_one_from_a_template_of_the_meshs_own(
    policy: Policy,
) -> None:
    """istio/istio#56455. Before the injection nothing shows it, and the annotation is the webhook's own."""
    before = admitted(task_pod(labels={"sidecar.istio.io/inject": "true"}), policy, ABLE_CLUSTER)[1]
    injected = inject_istio_native(before)
    injected["spec"]["containers"].append({"name": "istio-proxy", "image": "registry.example.com/own:1"})

    assert before["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"
    assert after_conversion(injected, policy)["spec"]["containers"] == before["spec"]["containers"]
