"""The pod oracle refuses what the API server refuses, rule by rule, and takes the pods that Airflow sends.

A case is a change to a valid pod.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.each import each
from tests.support.oracles import pod_validation
from tests.support.oracles.pod_schema import unknown_fields
from tests.support.valid_pod import BASE, INIT, NATIVE, POD, PROXY, REMOVED, changed

AIRFLOW_PODS = Path(__file__).parents[2] / "fixtures" / "airflow-pods"


def real_pods() -> list[Path]:
    paths = [path for path in sorted(AIRFLOW_PODS.rglob("*.json")) if path.name != "INDEX.json"]
    return [path for path in paths if json.loads(path.read_text())["kind"] == "Pod"]


def real_reviews() -> list[Path]:
    return sorted((AIRFLOW_PODS / "admission-simulated").rglob("*.json"))


PROBE = {"exec": {"command": ["true"]}}


WITHOUT_ALWAYS = "Forbidden: may not be set for init containers without restartPolicy=Always"


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
    "a mount has another path than a block device": (
        f"{BASE}/volumeDevices",
        [{"name": "disk", "devicePath": "/scratch"}],
        'spec.containers[0].volumeMounts[0].mountPath: Invalid value: "/scratch": must not already exist as a path in volumeDevices',
    ),
    "a mount has another volume than a block device": (
        f"{BASE}/volumeDevices",
        [{"name": "scratch", "devicePath": "/dev/disk"}],
        'spec.containers[0].volumeMounts[0].name: Invalid value: "scratch": must not already exist in volumeDevices',
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


def test_the_good_pod_is_valid_and_wholly_known() -> None:
    assert pod_validation.validate(POD) == []
    assert unknown_fields(POD) == []


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

    assert unknown_fields(pod) == ["spec.initContainers[0].restartPolcy"]


def test_the_airflow_fixtures_are_there() -> None:
    assert len(real_pods()) > 50
    assert len(real_reviews()) > 30


@each("path", real_pods())
def test_a_pod_that_airflow_sends_is_valid(path: Path) -> None:
    pod = json.loads(path.read_text())

    assert pod_validation.validate(pod) == []
    assert unknown_fields(pod) == []
