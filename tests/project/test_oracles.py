"""The oracles refuse what Kubernetes refuses, rule by rule, and pass real Airflow pods.

A case is a change to a good pod or reply; the good ones pass, so what is refused is the change.
"""

from __future__ import annotations

import base64
import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracles import admission, kubelet_expansion, pod_validation

AIRFLOW_PODS = Path(__file__).parents[1] / "fixtures" / "airflow-pods"

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "extract",
        "labels": {"kubernetes_executor": "True", "example.com/team": ""},
        "annotations": {"dag_id": "a dag, with any character in its name: é <&>"},
    },
    "spec": {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsUser": 50000, "fsGroup": 0},
        "containers": [
            {
                "name": "base",
                "image": "apache/airflow:3.0.0",
                "args": ["airflow", "tasks", "run"],
                "env": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}],
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1, "memory": "1Gi"}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
            {
                "name": "istio-proxy",
                "image": "istio/proxyv2",
                "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
            },
        ],
        "initContainers": [
            {
                "name": "vault-agent",
                "image": "vault",
                "restartPolicy": "Always",
                "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
                "startupProbe": {"tcpSocket": {"port": "http"}, "successThreshold": 1},
                "securityContext": {
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
            {"name": "prepare", "image": "busybox"},
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1.5Gi", "medium": "Memory"}},
            {"name": "nothing"},
        ],
    },
}

BASE = "/spec/containers/0"
PROXY = "/spec/containers/1"
NATIVE = "/spec/initContainers/0"
INIT = "/spec/initContainers/1"
PROBE = {"exec": {"command": ["true"]}}
WITHOUT_ALWAYS = "Forbidden: may not be set for init containers without restartPolicy=Always"

# claim: (path, value or REMOVED, the error)
REMOVED = object()
INVALID_PODS: dict[str, tuple[str, object, str]] = {
    "a label name has at most 63 characters": (
        f"/metadata/labels/{'x' * 64}",
        "",
        "name part must be no more than 63 characters",
    ),
    "a label name ends in an alphanumeric": (
        "/metadata/labels/x-",
        "",
        "name part must consist of",
    ),
    "a label name is not empty": (
        "/metadata/labels/example.com~1",
        "",
        "name part must be non-empty",
    ),
    "a label prefix is not empty": ("/metadata/labels/~1x", "", "prefix part must be non-empty"),
    "a label prefix is lower case": (
        "/metadata/labels/Example.com~1x",
        "",
        "prefix part a lowercase RFC 1123 subdomain",
    ),
    "a label prefix has at most 253 characters": (
        f"/metadata/labels/{'a' * 254}~1x",
        "",
        "prefix part must be no more than 253 characters",
    ),
    "a label key has one slash at most": ("/metadata/labels/a~1b~1c", "", "at most one '/'"),
    "a label value has at most 63 characters": (
        "/metadata/labels/x",
        "v" * 64,
        f'metadata.labels: Invalid value: "{"v" * 64}": must be no more than 63 characters',
    ),
    "a label value ends in an alphanumeric": ("/metadata/labels/x", "v.", "a valid label must be"),
    "a label value has no newline at its end": (
        "/metadata/labels/x",
        "v\n",
        "a valid label must be",
    ),
    "a label value is a string": (
        "/metadata/labels/x",
        True,
        "json: cannot unmarshal bool into metadata.labels[x] of type string",
    ),
    "an annotation key is a qualified name": (
        "/metadata/annotations/x y",
        "",
        'metadata.annotations: Invalid value: "x y": name part must consist of',
    ),
    "annotations have at most 256 KiB": (
        "/metadata/annotations/x",
        "v" * 256 * 1024,
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    ),
    "an annotation value is a string": (
        "/metadata/annotations/x",
        1,
        "cannot unmarshal number into metadata.annotations[x] of type string",
    ),
    "a pod has a container": ("/spec/containers", [], "spec.containers: Required value"),
    "a container has a name": (f"{BASE}/name", REMOVED, "spec.containers[0].name: Required value"),
    "a container name is a DNS label": (f"{BASE}/name", "my_base", "a lowercase RFC 1123 label"),
    "a container name has at most 63 characters": (f"{BASE}/name", "x" * 64, "no more than 63"),
    "names are unique among containers": (
        f"{PROXY}/name",
        "base",
        'spec.containers[1].name: Duplicate value: "base"',
    ),
    "an init container does not share a name with a container": (
        f"{INIT}/name",
        "istio-proxy",
        'spec.initContainers[1].name: Duplicate value: "istio-proxy"',
    ),
    "an ephemeral container does not share a name with a container": (
        "/spec/ephemeralContainers",
        [{"name": "base", "image": "busybox", "targetContainerName": "base"}],
        'spec.ephemeralContainers[0].name: Duplicate value: "base"',
    ),
    "a container has an image": (f"{BASE}/image", "", "spec.containers[0].image: Required value"),
    "an image has no white space around": (f"{BASE}/image", "a ", "leading or trailing whitespace"),
    "a command is a list": (
        f"{BASE}/command",
        "sh",
        "json: cannot unmarshal string into spec.containers[0].command of type []string",
    ),
    "a command holds strings": (
        f"{BASE}/command",
        ["sleep", 1],
        "json: cannot unmarshal number into spec.containers[0].command[1] of type string",
    ),
    "args hold no null": (f"{BASE}/args", [None], "unmarshal null into spec.containers[0].args[0]"),
    "a variable has a name": (f"{BASE}/env/0/name", "", "spec.containers[0].env[0].name: Required"),
    "a variable name begins with no digit": (
        f"{BASE}/env/0/name",
        "1A",
        "a valid environment variable",
    ),
    "a variable value is a string": (
        f"{BASE}/env/0/value",
        1,
        "into spec.containers[0].env[0].value",
    ),
    "an init container restarts always or as the pod": (
        f"{INIT}/restartPolicy",
        "Never",
        'initContainers[1].restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    "a container has no restart policy": (
        f"{PROXY}/restartPolicy",
        "Always",
        "spec.containers[1].restartPolicy: Forbidden: may not be set for non-init containers",
    ),
    "an init container has no lifecycle": (f"{INIT}/lifecycle", {}, f"lifecycle: {WITHOUT_ALWAYS}"),
    "an init container has no startup probe": (
        f"{INIT}/startupProbe",
        PROBE,
        f"spec.initContainers[1].startupProbe: {WITHOUT_ALWAYS}",
    ),
    "an init container has no readiness probe": (
        f"{INIT}/readinessProbe",
        PROBE,
        f"spec.initContainers[1].readinessProbe: {WITHOUT_ALWAYS}",
    ),
    "an init container has no liveness probe": (
        f"{INIT}/livenessProbe",
        PROBE,
        f"spec.initContainers[1].livenessProbe: {WITHOUT_ALWAYS}",
    ),
    "a native sidecar that lost its restart policy has no startup probe": (
        f"{NATIVE}/restartPolicy",
        REMOVED,
        f"spec.initContainers[0].startupProbe: {WITHOUT_ALWAYS}",
    ),
    "a handler has a type": (
        f"{NATIVE}/lifecycle/preStop",
        {},
        "preStop: Required value: must specify a handler type",
    ),
    "a handler has one type": (
        f"{NATIVE}/startupProbe/exec",
        {"command": ["true"]},
        "may not specify more than 1 handler type",
    ),
    "an exec handler has a command": (
        f"{NATIVE}/lifecycle/preStop/exec/command",
        [],
        "spec.initContainers[0].lifecycle.preStop.exec.command: Required value",
    ),
    "a port is a TCP port": (
        f"{PROXY}/readinessProbe/httpGet/port",
        0,
        "must be between 1 and 65535",
    ),
    "a probe has a port": (
        f"{PROXY}/readinessProbe/httpGet/port",
        REMOVED,
        "spec.containers[1].readinessProbe.httpGet.port: Required value",
    ),
    "a startup probe has a success threshold of one": (
        f"{NATIVE}/startupProbe/successThreshold",
        2,
        "startupProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    "a probe's numbers are not negative": (
        f"{PROXY}/readinessProbe/periodSeconds",
        -1,
        "readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
    ),
    "a readiness probe has no grace period": (
        f"{PROXY}/readinessProbe/terminationGracePeriodSeconds",
        5,
        "must not be set for readinessProbes",
    ),
    "a mount names a volume of the pod": (
        f"{BASE}/volumeMounts/0/name",
        "other",
        'spec.containers[0].volumeMounts[0].name: Not found: "other"',
    ),
    "a mount has a name": (
        f"{BASE}/volumeMounts/0/name",
        "",
        "volumeMounts[0].name: Required value",
    ),
    "a mount has a path": (f"{BASE}/volumeMounts/0/mountPath", "", "mountPath: Required value"),
    "mount paths are unique in a container": (
        f"{BASE}/volumeMounts/-",
        {"name": "nothing", "mountPath": "/scratch"},
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/scratch": must be unique',
    ),
    "volume names are unique": ("/spec/volumes/1/name", "scratch", 'Duplicate value: "scratch"'),
    "a volume name is a DNS label": ("/spec/volumes/1/name", "a.b", "a lowercase RFC 1123 label"),
    "a volume has one source": (
        "/spec/volumes/0/secret",
        {},
        "may not specify more than 1 volume type",
    ),
    "an emptyDir is an object": (
        "/spec/volumes/0/emptyDir",
        "",
        "volumes[0].emptyDir of type object",
    ),
    "a size limit is a quantity": (
        "/spec/volumes/0/emptyDir/sizeLimit",
        "1 GB",
        "cannot unmarshal string into spec.volumes[0].emptyDir.sizeLimit of type resource.Quantity",
    ),
    "a size limit is not negative": (
        "/spec/volumes/0/emptyDir/sizeLimit",
        "-1",
        "SizeLimit field must be a valid resource quantity",
    ),
    "a request is a quantity": (
        f"{BASE}/resources/requests/cpu",
        "0.1.2",
        "of type resource.Quantity",
    ),
    "a request is not negative": (
        f"{BASE}/resources/requests/cpu",
        "-1m",
        "greater than or equal to 0",
    ),
    "a request is within its limit": (
        f"{BASE}/resources/requests/cpu",
        "1001m",
        'resources.requests: Invalid value: "1001m": must be less than or equal to cpu limit of 1',
    ),
    "runAsUser is a number": (f"{NATIVE}/securityContext/runAsUser", "0", "runAsUser of type int"),
    "runAsUser has 31 bits": (
        f"{NATIVE}/securityContext/runAsUser",
        2**31,
        "between 0 and 2147483647",
    ),
    "runAsNonRoot is a boolean": (
        f"{NATIVE}/securityContext/runAsNonRoot",
        1,
        "runAsNonRoot of type bool",
    ),
    "capabilities are lists": (
        f"{NATIVE}/securityContext/capabilities/drop",
        "ALL",
        "type []string",
    ),
    "a privileged container may escalate": (
        f"{NATIVE}/securityContext/privileged",
        True,
        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    ),
    "a container with SYS_ADMIN may escalate": (
        f"{NATIVE}/securityContext/capabilities/add/-",
        "SYS_ADMIN",
        "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
    ),
    "a seccomp profile has a known type": (
        f"{NATIVE}/securityContext/seccompProfile/type",
        "Default",
        'seccompProfile.type: Unsupported value: "Default"',
    ),
    "a local seccomp profile is named": (
        f"{NATIVE}/securityContext/seccompProfile/type",
        "Localhost",
        "seccompProfile.localhostProfile: Required value",
    ),
    "only a local seccomp profile is named": (
        f"{NATIVE}/securityContext/seccompProfile/localhostProfile",
        "x.json",
        "can only be set when seccomp type is Localhost",
    ),
    "a pod's fsGroup is not negative": (
        "/spec/securityContext/fsGroup",
        -1,
        "spec.securityContext.fsGroup",
    ),
    "a pod's restart policy is one of three": (
        "/spec/restartPolicy",
        "OnSuccess",
        'spec.restartPolicy: Unsupported value: "OnSuccess"',
    ),
    "a port has a number": (f"{PROXY}/ports", [{"name": "http"}], "spec.containers[1].ports[0].containerPort: Required value"),
    "a container port is a port": (f"{PROXY}/ports", [{"containerPort": 65536}], "ports[0].containerPort: Invalid value: 65536"),
    "a host port is a port": (f"{PROXY}/ports", [{"containerPort": 1, "hostPort": -1}], "ports[0].hostPort: Invalid value: -1"),
    "a protocol is one of three": (
        f"{PROXY}/ports",
        [{"containerPort": 1, "protocol": "HTTP"}],
        'ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
    ),
    "a port name has at most 15 characters": (f"{PROXY}/ports", [{"containerPort": 1, "name": "x" * 16}], "no more than 15 characters"),
    "a port name is lower case": (f"{PROXY}/ports", [{"containerPort": 1, "name": "Http"}], "must contain only alpha-numeric"),
    "a port name has a letter": (f"{PROXY}/ports", [{"containerPort": 1, "name": "80"}], "must contain at least one letter"),
    "a port name ends in no hyphen": (f"{PROXY}/ports", [{"containerPort": 1, "name": "a-"}], "begin or end with a hyphen"),
    "port names are unique in a container": (
        f"{NATIVE}/ports",
        [{"containerPort": 1, "name": "http"}, {"containerPort": 2, "name": "http"}],
        'spec.initContainers[0].ports[1].name: Duplicate value: "http"',
    ),
    "a host port is taken once among containers": (
        "/spec/containers",
        [{"name": name, "image": "x", "ports": [{"containerPort": 1, "hostPort": 80}]} for name in ("base", "other")],
        'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"',
    ),
    "a host port is taken once in an init container": (
        f"{NATIVE}/ports",
        [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}],
        'spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
    ),
    "a resize policy is of cpu or memory": (
        f"{BASE}/resizePolicy",
        [{"resourceName": "disk", "restartPolicy": "NotRequired"}],
        'spec.containers[0].resizePolicy: Unsupported value: "disk"',
    ),
    "a resize policy restarts or does not": (
        f"{BASE}/resizePolicy",
        [{"resourceName": "cpu", "restartPolicy": "Always"}],
        'spec.containers[0].resizePolicy: Unsupported value: "Always"',
    ),
    "a resource is resized in one way": (
        f"{BASE}/resizePolicy",
        [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2,
        'spec.containers[0].resizePolicy[1]: Duplicate value: "cpu"',
    ),
    "a resize restarts nothing in a pod that never restarts": (
        f"{BASE}/resizePolicy",
        [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
        "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
    ),
    "a native sidecar has no restart rules": (
        f"{NATIVE}/restartPolicyRules",
        [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
        "initContainers[0].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always",
    ),
    "restart rules need a restart policy": (
        f"{INIT}/restartPolicyRules",
        [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
        "initContainers[1].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
    ),
    "a grace period is a whole number": (
        "/spec/terminationGracePeriodSeconds",
        1.5,
        "cannot unmarshal number into spec.terminationGracePeriodSeconds of type int",
    ),
}

UNRESTRICTED: dict[str, tuple[str, object, str]] = {
    "must not escalate": (
        "allowPrivilegeEscalation",
        REMOVED,
        'container "vault-agent" must set securityContext.allowPrivilegeEscalation=false',
    ),
    "drops all capabilities": (
        "capabilities/drop",
        ["NET_RAW"],
        'container "vault-agent" must set securityContext.capabilities.drop=["ALL"]',
    ),
    "adds one capability at most": (
        "capabilities/add/-",
        "CHOWN",
        'container "vault-agent" must not include "CHOWN" in securityContext.capabilities.add',
    ),
    "runs as non-root": (
        "runAsNonRoot",
        False,
        'pod or container "vault-agent" must set securityContext.runAsNonRoot=true',
    ),
    "has no uid 0": ("runAsUser", 0, 'pod or container "vault-agent" must not set runAsUser=0'),
    "has a seccomp profile": (
        "seccompProfile/type",
        "Unconfined",
        ('pod or container "vault-agent" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'),
    ),
}

EXPANSIONS: dict[str, tuple[str, str]] = {
    "a reference becomes its value": ("run $(DAG).$(TASK)", "run sales.load"),
    "an empty value leaves nothing": ("a$(EMPTY)b", "ab"),
    "a value is not expanded again": ("$(NESTED)", "$(DAG)"),
    "an unknown name stays": ("$(OTHER) and $()", "$(OTHER) and $()"),
    "a doubled dollar escapes": ("$$(DAG)", "$(DAG)"),
    "a doubled dollar is halved before anything": ("$$HOME $$$$", "$HOME $$"),
    "an odd dollar still refers": ("$$$(DAG)", "$sales"),
    "a lone dollar stays": ("$HOME ${DAG} $5 $é $", "$HOME ${DAG} $5 $é $"),
    "an unclosed reference stays": ("$(DAG", "$(DAG"),
    "an unclosed reference hides no escape": ("$($$", "$($"),
    "a name runs to the first closing bracket": ("$(DAG$(TASK))", "$(DAG$(TASK))"),
    "a name keeps its dollars": ("$(A$$B)", "$(A$$B)"),
    "backslashes and newlines mean nothing": ("\\$(DAG)\n$(TA\nSK)", "\\sales\n$(TA\nSK)"),
}
ENV = {"DAG": "sales", "TASK": "load", "EMPTY": "", "NESTED": "$(DAG)"}


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    operation: dict[str, object] = {"op": "add", "path": path, "value": value}
    if value is REMOVED:
        operation = {"op": "remove", "path": path}
    result: dict[str, Any] = jsonpatch.apply_patch(document, [operation])
    return result


def review(pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": UID, "operation": "CREATE", "object": pod},
    }


def reply(**response: object) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": UID, "allowed": True, **response},
    }


def encoded(patch: object) -> str:
    text = patch if isinstance(patch, str) else json.dumps(patch)
    return base64.b64encode(text.encode()).decode()


def verify(given_reply: object, pod: dict[str, Any] = POD) -> dict[str, Any]:
    return admission.verify(review(pod), json.dumps(given_reply).encode())


def verify_patch(*operations: object) -> dict[str, Any]:
    return verify(reply(patch=encoded(list(operations)), patchType="JSONPatch"))


def real_pods() -> list[Path]:
    paths = [path for path in sorted(AIRFLOW_PODS.rglob("*.json")) if path.name != "INDEX.json"]
    return [path for path in paths if json.loads(path.read_text())["kind"] == "Pod"]


def real_reviews() -> list[Path]:
    return sorted((AIRFLOW_PODS / "admission-simulated").rglob("*.json"))


def test_the_good_pod_is_valid_and_wholly_known() -> None:
    assert pod_validation.validate(POD) == []
    assert pod_validation.unknown_fields(POD) == []


@pytest.mark.parametrize(("path", "value", "error"), INVALID_PODS.values(), ids=INVALID_PODS.keys())
def test_a_pod_that_breaks_the_rule_is_invalid(path: str, value: object, error: str) -> None:
    errors = pod_validation.validate(changed(POD, path, value))

    assert any(error in each for each in errors), errors


RULE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
RESIZE = [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]


@pytest.mark.parametrize(
    ("path", "value", "minor", "error"),
    [
        (f"{NATIVE}/resizePolicy", RESIZE, 32, "spec.initContainers[0].resizePolicy: Invalid value"),
        (f"{NATIVE}/resizePolicy", RESIZE, 33, None),
        (f"{PROXY}/restartPolicy", "OnFailure", 34, "spec.containers[1].restartPolicy: Forbidden"),
        (f"{PROXY}/restartPolicy", "OnFailure", 35, None),
        (f"{PROXY}/restartPolicy", "Sometimes", 35, 'restartPolicy: Unsupported value: "Sometimes"'),
        (f"{PROXY}/restartPolicyRules", [RULE], 35, "spec.containers[1].restartPolicy: Required value"),
        (INIT, {"name": "x", "image": "x", "restartPolicy": "Never"}, 35, None),
        (INIT, {"name": "x", "image": "x", "restartPolicy": "Never", "restartPolicyRules": [RULE] * 21}, 35, "Too many: 21"),
        (INIT, {"name": "x", "image": "x", "restartPolicy": "Never", "restartPolicyRules": [{}]}, 35, "restartPolicyRules[0].exitCodes: Required"),
        (INIT, {"name": "x", "image": "x", "restartPolicy": "Never", "restartPolicyRules": [RULE | {"action": "Stop"}]}, 35, "action: Unsupported"),
    ],
)  # fmt: skip
def test_what_a_server_allows_depends_on_its_version(path: str, value: object, minor: int, error: str | None) -> None:
    errors = pod_validation.validate(changed(POD, path, value), minor)

    assert errors == [] if error is None else any(error in each for each in errors)


def test_two_init_containers_may_take_one_host_port() -> None:
    """They run one after the other; native sidecars clash on the node, and the API server does not see it."""
    taken = changed(POD, f"{NATIVE}/ports", [{"containerPort": 1, "hostPort": 80}])

    assert pod_validation.validate(changed(taken, f"{INIT}/ports", [{"containerPort": 1, "hostPort": 80}])) == []


def test_an_annotation_prefix_may_be_upper_case() -> None:
    assert pod_validation.validate(changed(POD, "/metadata/annotations/Example.COM~1x", "")) == []


def test_a_pod_without_what_the_api_defaults_is_valid() -> None:
    bare = {
        "metadata": {"generateName": "x-"},
        "spec": {"containers": [{"name": "a", "image": "b"}]},
    }

    assert pod_validation.validate(bare) == []


def test_a_null_field_is_as_good_as_absent() -> None:
    container = {"name": "a", "image": "b", "args": None, "startupProbe": None}
    spec = {"containers": [container], "volumes": None, "restartPolicy": None}

    assert pod_validation.validate({"metadata": {"labels": None}, "spec": spec}) == []


def test_a_privileged_container_that_may_escalate_is_valid() -> None:
    context = {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}}

    assert pod_validation.validate(changed(POD, f"{BASE}/securityContext", context)) == []


def test_a_field_that_no_api_type_has_is_named_by_its_path() -> None:
    pod = changed(POD, f"{NATIVE}/restartPolcy", "Always")

    assert pod_validation.unknown_fields(pod) == ["spec.initContainers[0].restartPolcy"]


@pytest.mark.parametrize(
    ("text", "base_units"),
    [
        ("100m", "0.1"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1E", "1e18"),
        ("1E3", "1000"),
        (2, "2"),
    ],
)
def test_a_quantity_is_read_with_its_suffix(text: str | int, base_units: str) -> None:
    assert pod_validation.parse_quantity(text) == Decimal(base_units)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1KiB", "1e", "0x10", "NaN", "\u0661"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        pod_validation.parse_quantity(text)


def test_the_good_container_keeps_to_the_restricted_standard() -> None:
    assert pod_validation.violations_of_restricted(POD, ["vault-agent"]) == []


@pytest.mark.parametrize(("path", "value", "violation"), UNRESTRICTED.values(), ids=UNRESTRICTED.keys())
def test_a_restricted_container(path: str, value: object, violation: str) -> None:
    pod = changed(POD, f"{NATIVE}/securityContext/{path}", value)

    assert pod_validation.violations_of_restricted(pod, ["vault-agent"]) == [violation]


def test_a_container_takes_uid_and_profile_from_the_pod_unless_it_has_its_own() -> None:
    pod_level = {"runAsNonRoot": True, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = changed(changed(POD, "/spec/securityContext", pod_level), f"{NATIVE}/securityContext", own)
    with_uid = changed(pod, f"{NATIVE}/securityContext/runAsUser", 1337)

    violations = pod_validation.violations_of_restricted(pod, ["vault-agent"])
    assert violations == ['pod or container "vault-agent" must not set runAsUser=0']
    assert pod_validation.violations_of_restricted(with_uid, ["vault-agent"]) == []


def test_a_restricted_container_mounts_no_host_path() -> None:
    pod = changed(POD, "/spec/volumes/0", {"name": "scratch", "hostPath": {"path": "/"}})

    violations = pod_validation.violations_of_restricted(pod, ["vault-agent"])
    assert violations == ['volume "scratch" uses restricted volume type "hostPath"']


def test_only_the_named_containers_are_held_to_the_restricted_standard() -> None:
    assert pod_validation.violations_of_restricted(POD, ["base", "vault-agent"]) == (pod_validation.violations_of_restricted(POD, ["base"]))
    assert pod_validation.violations_of_restricted(POD, []) == []
    with pytest.raises(KeyError):
        pod_validation.violations_of_restricted(POD, ["absent"])


@pytest.mark.parametrize(("text", "expanded"), EXPANSIONS.values(), ids=EXPANSIONS.keys())
def test_the_kubelet_expands_references(text: str, expanded: str) -> None:
    assert kubelet_expansion.expand(text, ENV) == expanded


@given(st.text(alphabet=st.sampled_from("$()AB é")))
def test_doubling_every_dollar_undoes_the_expansion(text: str) -> None:
    assert kubelet_expansion.expand(text.replace("$", "$$"), {"A": "x", "B": "y"}) == text


def test_command_and_args_are_expanded_element_by_element() -> None:
    container = {"command": ["$(A)", "$("], "args": ["A)", "$(A)"]}

    assert kubelet_expansion.container_argv(container, {"A": "x y"}) == ["x y", "$(", "A)", "x y"]


def test_a_container_without_command_or_args_has_an_empty_argv() -> None:
    assert kubelet_expansion.container_argv({"command": None}, {}) == []


def test_a_reply_without_a_patch_leaves_the_pod_as_it_is() -> None:
    stored = verify(reply())

    assert stored == POD
    assert stored is not POD


def test_a_review_may_come_as_bytes() -> None:
    sent = json.dumps(review(POD)).encode()

    assert admission.verify(sent, json.dumps(reply()).encode()) == POD


def test_a_patch_is_applied_to_a_copy() -> None:
    before = copy.deepcopy(POD)
    label = {"op": "add", "path": "/metadata/labels/x", "value": "y"}
    end = {"op": "add", "path": "/spec/containers/2", "value": {"name": "last", "image": "i"}}

    stored = verify_patch(label, end)

    assert before == POD
    assert stored["metadata"]["labels"]["x"] == "y"
    assert [container["name"] for container in stored["spec"]["containers"]][2:] == ["last"]


def test_an_empty_patch_with_its_type_changes_nothing() -> None:
    assert verify_patch() == POD


def test_warnings_status_and_audit_annotations_of_the_right_form_pass() -> None:
    given_reply = reply(
        warnings=["x" * 256, "é" * 256],
        status={"code": 200, "message": ""},
        auditAnnotations={"decision": "native"},
    )

    assert verify(given_reply) == POD


INVALID_REPLIES: dict[str, tuple[object, str]] = {
    "it has a response": ({**reply(), "response": None}, "webhook response was absent"),
    "it is an object": ([], "expected a JSON object"),
    "its response is an object": ({**reply(), "response": "ok"}, "response is no object"),
    "it echoes the uid": (reply(uid="other"), f'expected response.uid="{UID}", got "other"'),
    "it has a uid": (reply(uid=None), f'expected response.uid="{UID}", got ""'),
    "its uid is a string": (reply(uid=1), "response.uid is no str"),
    "it has the version of the request": (
        {**reply(), "apiVersion": "admission.k8s.io/v1beta1"},
        "got admission.k8s.io/v1beta1, Kind=AdmissionReview",
    ),
    "it has a kind": (
        {**reply(), "kind": None},
        "expected webhook response of admission.k8s.io/v1",
    ),
    "it has a patch type with its patch": (
        reply(patch=encoded([])),
        "webhook returned response.patch but not response.patchType",
    ),
    "it has a patch with its patch type": (
        reply(patchType="JSONPatch"),
        "webhook returned response.patchType but not response.patch",
    ),
    "its patch type is JSONPatch": (
        reply(patch=encoded([]), patchType="MergePatch"),
        'unsupported patch type "MergePatch"',
    ),
    "its patch is base64": (reply(patch="[]", patchType="JSONPatch"), "illegal base64 data"),
    "its patch is JSON": (
        reply(patch=encoded("[{]"), patchType="JSONPatch"),
        "received undecodable patch in webhook response",
    ),
    "its patch is a list": (
        reply(patch=encoded({}), patchType="JSONPatch"),
        "received undecodable patch in webhook response",
    ),
    "it denies nothing": (
        reply(allowed=False, status={"message": "no"}),
        "admission webhook denied the request: no",
    ),
    "it says allowed": (reply(allowed=None), "admission webhook denied the request"),
    "it says allowed in a boolean": (reply(allowed="true"), "response.allowed is no bool"),
    "it has no field of its own making": (reply(warning=["x"]), "response.warning is unknown"),
    "its status has no field of its own making": (reply(status={"msg": ""}), "response.status.msg"),
    "its status code is a number": (
        reply(status={"code": "200"}),
        "response.status.code is no int",
    ),
    "its status is no failure": (reply(status={"status": "Failure"}), "tells of a failure"),
    "its status code is no failure": (reply(status={"code": 500}), "tells of a failure"),
    "its audit keys are bare": (
        reply(auditAnnotations={"example.com/reason": "x"}),
        "response.auditAnnotations[example.com/reason]",
    ),
    "its audit keys are names": (
        reply(auditAnnotations={"a reason": "x"}),
        "name part must consist",
    ),
    "its audit values are strings": (reply(auditAnnotations={"ops": 3}), "is no string: 3"),
    "its warnings are a list": (reply(warnings="x"), "response.warnings is no list"),
    "its warnings are strings": (reply(warnings=[1]), "response.warnings holds no string"),
    "a warning has at most 256 characters": (reply(warnings=["é" * 257]), "over 256 characters"),
    "a warning has one line": (reply(warnings=["a\nb"]), "control character"),
    "all warnings have at most 4096 characters": (
        reply(warnings=["x" * 256] * 17),
        "has 4352 characters",
    ),
}


@pytest.mark.parametrize(("given_reply", "error"), INVALID_REPLIES.values(), ids=INVALID_REPLIES.keys())
def test_a_reply_is_refused_unless(given_reply: object, error: str) -> None:
    with pytest.raises(admission.Refused) as refusal:
        verify(given_reply)

    assert error in str(refusal.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"response": NaN}'])
def test_a_reply_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(admission.Refused):
        admission.verify(review(POD), body)


IMPOSSIBLE_OPERATIONS: dict[str, dict[str, Any]] = {
    "the parent exists": {"op": "add", "path": "/metadata/absent/x", "value": ""},
    "the parent is no string": {"op": "add", "path": "/metadata/name/x", "value": ""},
    "the index is not beyond the end": {"op": "add", "path": "/spec/containers/3", "value": {}},
    "the index is a number": {"op": "add", "path": "/spec/containers/x", "value": {}},
    "the index is not negative": {"op": "add", "path": "/spec/containers/-1", "value": {}},
    "what is removed exists": {"op": "remove", "path": "/metadata/labels/absent"},
    "the removed item exists": {"op": "remove", "path": "/spec/containers/2"},
    "an item to remove is not past the end": {"op": "remove", "path": "/spec/containers/-"},
    "what is replaced exists": {"op": "replace", "path": "/metadata/labels/absent", "value": ""},
    "the replaced item exists": {"op": "replace", "path": "/spec/containers/2", "value": {}},
    "what is moved exists": {"op": "move", "from": "/spec/absent", "path": "/spec/x"},
    "what is copied exists": {"op": "copy", "from": "/spec/absent", "path": "/spec/x"},
    "its source is a path": {"op": "copy", "from": "spec", "path": "/spec/x"},
    "it has a source": {"op": "move", "path": "/spec/x"},
    "its path begins with a slash": {"op": "add", "path": "spec", "value": {}},
    "it leaves the document": {"op": "replace", "path": "", "value": {}},
    "its path is escaped": {"op": "add", "path": "/metadata/labels/a~2b", "value": ""},
    "it has a path": {"op": "add", "value": ""},
    "it has a value": {"op": "add", "path": "/metadata/labels/x"},
    "it is of a known kind": {"op": "merge", "path": "/metadata/labels/x", "value": ""},
    "its test holds": {"op": "test", "path": "/metadata/name", "value": "other"},
    "its test finds something": {"op": "test", "path": "/metadata/absent", "value": "x"},
    "its test tells a boolean from a number": {
        "op": "test",
        "path": f"{NATIVE}/securityContext/runAsNonRoot",
        "value": 1,
    },
}


@pytest.mark.parametrize("operation", IMPOSSIBLE_OPERATIONS.values(), ids=IMPOSSIBLE_OPERATIONS.keys())
def test_an_operation_is_refused_unless(operation: dict[str, Any]) -> None:
    with pytest.raises(admission.Refused, match="Internal error occurred"):
        verify_patch(operation)


def test_an_operation_that_is_no_object_is_refused() -> None:
    with pytest.raises(admission.Refused, match="received undecodable patch"):
        verify_patch("add")


def test_a_test_of_the_right_value_passes() -> None:
    operation = {
        "op": "test",
        "path": f"{BASE}/resources/limits",
        "value": {"memory": "1Gi", "cpu": 1},
    }

    assert verify_patch(operation) == POD


def test_a_test_compares_the_bytes_that_go_writes() -> None:
    value = POD["metadata"]["annotations"]["dag_id"]
    operation = {"op": "test", "path": "/metadata/annotations/dag_id", "value": value}
    as_go_writes = json.dumps([operation], ensure_ascii=False)
    for character in "<&>":
        as_go_writes = as_go_writes.replace(character, f"\\u{ord(character):04x}")

    with pytest.raises(admission.Refused, match="testing value /metadata/annotations/dag_id failed"):
        verify_patch(operation)
    assert verify(reply(patch=encoded(as_go_writes), patchType="JSONPatch")) == POD


@pytest.mark.parametrize("path", ["/metadata/annotations", "/spec/containers/0/args"])
def test_a_test_compares_the_strings_inside_its_value_too(path: str) -> None:
    value: object = ["a & b"] if path.endswith("args") else {"x": "a & b"}
    operation = {"op": "test", "path": path, "value": value}
    given_reply = reply(patch=encoded([operation]), patchType="JSONPatch")

    with pytest.raises(admission.Refused, match=f"testing value {path} failed"):
        verify(given_reply, changed(POD, path, value))


def test_operations_apply_in_order_to_what_the_ones_before_left() -> None:
    stored = verify_patch(
        {"op": "remove", "path": "/spec/containers/1"},
        {
            "op": "add",
            "path": "/spec/initContainers/0",
            "value": {"name": "istio-proxy", "image": "i"},
        },
        {"op": "add", "path": "/spec/initContainers/0/restartPolicy", "value": "Always"},
        {"op": "copy", "from": "/metadata/labels", "path": "/spec/nodeSelector"},
        {"op": "remove", "path": "/metadata/labels/kubernetes_executor"},
    )

    assert stored["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert "kubernetes_executor" in stored["spec"]["nodeSelector"]


def test_a_patch_that_leaves_an_invalid_pod_is_refused_by_the_pods_name() -> None:
    operation = {"op": "add", "path": "/metadata/labels/x", "value": "v" * 64}

    with pytest.raises(admission.Refused, match=r'Pod "extract" is invalid: metadata\.labels: Invalid value'):
        verify_patch(operation)


def test_a_patch_may_be_applied_to_a_pod_that_was_invalid_already() -> None:
    invalid = changed(POD, "/metadata/labels/x", "v" * 64)

    assert admission.apply_reply(review(invalid), json.dumps(reply()).encode()) == invalid


def test_a_field_that_the_decoder_would_drop_is_refused() -> None:
    operation = {"op": "add", "path": f"{PROXY}/restartPolcy", "value": "Always"}

    with pytest.raises(admission.Refused, match=r"unknown field.*spec.containers\[1\].restartPolcy"):
        verify_patch(operation)


def test_a_field_of_the_future_may_move_with_its_container() -> None:
    container = {"name": "sidecar", "image": "i", "fieldOfTheFuture": 1}
    pod = changed(POD, "/spec/containers/-", container)
    move = {"op": "move", "from": "/spec/containers/2", "path": "/spec/initContainers/0"}

    stored = verify(reply(patch=encoded([move]), patchType="JSONPatch"), pod)

    assert stored["spec"]["initContainers"][0] == container


def test_the_airflow_fixtures_are_there() -> None:
    assert len(real_pods()) > 50
    assert len(real_reviews()) > 30


@pytest.mark.parametrize("path", real_pods(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_pod_that_airflow_sends_is_valid(path: Path) -> None:
    pod = json.loads(path.read_text())

    assert pod_validation.validate(pod) == []
    assert pod_validation.unknown_fields(pod) == []


@pytest.mark.parametrize("path", real_reviews(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_review_of_an_airflow_pod_is_answered_by_its_uid_alone(path: Path) -> None:
    sent = path.read_bytes()
    request = json.loads(sent)["request"]
    answer = json.dumps(reply(uid=request["uid"])).encode()

    assert admission.verify(sent, answer) == request["object"]
