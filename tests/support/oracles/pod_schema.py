"""The shape of a pod: kubernetes/api core/v1/types.go as of 1.35, as far as a webhook like this one could break it.

Volume sources and what this product never touches are not checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from tests.support.oracles.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject


class Leaf(Enum):
    """A type whose fields are not checked; the value is Go's name for it."""

    STRING = "string"
    INTEGER = "int"
    BOOLEAN = "bool"
    INT_OR_STRING = "intstr.IntOrString"
    QUANTITY = "resource.Quantity"
    ANYTHING = "any"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A JSON object with free keys and values of one shape."""

    values: Shape


# A list holds the one shape of its items, a dict the shapes of all fields that the API type has.
Shape: TypeAlias = "Leaf | MapOf | list[Shape] | dict[str, Shape]"

_PYTHON_TYPES: dict[Leaf, tuple[type, ...]] = {
    Leaf.STRING: (str,),
    Leaf.INTEGER: (int,),
    Leaf.BOOLEAN: (bool,),
    Leaf.INT_OR_STRING: (int, str),
}

_GO_KINDS = {
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
    list: "array",
    dict: "object",
}


def _fields(names: str, leaf: Leaf) -> dict[str, Shape]:
    return dict.fromkeys(names.split(), leaf)


_STRINGS: Shape = [Leaf.STRING]

_HANDLER: dict[str, Shape] = {
    "exec": {"command": _STRINGS},
    "httpGet": {
        **_fields("path host scheme", Leaf.STRING),
        "port": Leaf.INT_OR_STRING,
        "httpHeaders": [_fields("name value", Leaf.STRING)],
    },
    "tcpSocket": {"host": Leaf.STRING, "port": Leaf.INT_OR_STRING},
}

_LIFECYCLE_HANDLER: Shape = {**_HANDLER, "sleep": {"seconds": Leaf.INTEGER}}

_PROBE: Shape = {
    **_HANDLER,
    "grpc": {"port": Leaf.INTEGER, "service": Leaf.STRING},
    **_fields("initialDelaySeconds timeoutSeconds periodSeconds", Leaf.INTEGER),
    **_fields("successThreshold failureThreshold terminationGracePeriodSeconds", Leaf.INTEGER),
}

_SECCOMP_PROFILE: Shape = _fields("type localhostProfile", Leaf.STRING)

_SECURITY_CONTEXT: dict[str, Shape] = {
    **_fields("seLinuxOptions windowsOptions appArmorProfile", Leaf.ANYTHING),
    **_fields("runAsUser runAsGroup", Leaf.INTEGER),
    "runAsNonRoot": Leaf.BOOLEAN,
    "seccompProfile": _SECCOMP_PROFILE,
}

_CONTAINER: dict[str, Shape] = {
    **_fields("name image workingDir restartPolicy imagePullPolicy", Leaf.STRING),
    **_fields("terminationMessagePath terminationMessagePolicy", Leaf.STRING),
    **_fields("stdin stdinOnce tty", Leaf.BOOLEAN),
    **_fields("envFrom volumeDevices", Leaf.ANYTHING),
    "ports": [{**_fields("name hostIP protocol", Leaf.STRING), **_fields("containerPort hostPort", Leaf.INTEGER)}],
    "resizePolicy": [_fields("resourceName restartPolicy", Leaf.STRING)],
    "restartPolicyRules": [
        {"action": Leaf.STRING, "exitCodes": {"operator": Leaf.STRING, "values": [Leaf.INTEGER]}},
    ],
    "command": _STRINGS,
    "args": _STRINGS,
    "env": [{**_fields("name value", Leaf.STRING), "valueFrom": Leaf.ANYTHING}],
    "volumeMounts": [
        {
            **_fields("name mountPath subPath subPathExpr", Leaf.STRING),
            **_fields("mountPropagation recursiveReadOnly", Leaf.STRING),
            "readOnly": Leaf.BOOLEAN,
        },
    ],
    "resources": {
        "limits": MapOf(Leaf.QUANTITY),
        "requests": MapOf(Leaf.QUANTITY),
        "claims": Leaf.ANYTHING,
    },
    "lifecycle": {
        "postStart": _LIFECYCLE_HANDLER,
        "preStop": _LIFECYCLE_HANDLER,
        "stopSignal": Leaf.STRING,
    },
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _PROBE),
    "securityContext": {
        **_SECURITY_CONTEXT,
        **_fields("privileged readOnlyRootFilesystem allowPrivilegeEscalation", Leaf.BOOLEAN),
        "procMount": Leaf.STRING,
        "capabilities": {"add": _STRINGS, "drop": _STRINGS},
    },
}

_VOLUME_SOURCES = (
    "hostPath gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
    "persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap "
    "vsphereVolume quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO "
    "storageos csi ephemeral image"
)

_SPEC: Shape = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "ephemeralContainers": [{**_CONTAINER, "targetContainerName": Leaf.STRING}],
    "volumes": [
        {
            "name": Leaf.STRING,
            "emptyDir": {"medium": Leaf.STRING, "sizeLimit": Leaf.QUANTITY},
            **_fields(_VOLUME_SOURCES, Leaf.ANYTHING),
        },
    ],
    "securityContext": {
        **_SECURITY_CONTEXT,
        **_fields("supplementalGroups sysctls", Leaf.ANYTHING),
        "fsGroup": Leaf.INTEGER,
        **_fields("fsGroupChangePolicy supplementalGroupsPolicy seLinuxChangePolicy", Leaf.STRING),
    },
    **_fields("terminationGracePeriodSeconds activeDeadlineSeconds priority", Leaf.INTEGER),
    **_fields("restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName", Leaf.STRING),
    **_fields("hostname subdomain schedulerName priorityClassName", Leaf.STRING),
    **_fields("runtimeClassName preemptionPolicy hostnameOverride", Leaf.STRING),
    **_fields("automountServiceAccountToken hostNetwork hostPID hostIPC hostUsers", Leaf.BOOLEAN),
    **_fields("shareProcessNamespace enableServiceLinks setHostnameAsFQDN", Leaf.BOOLEAN),
    "nodeSelector": MapOf(Leaf.STRING),
    **_fields("imagePullSecrets affinity tolerations hostAliases dnsConfig", Leaf.ANYTHING),
    **_fields("readinessGates overhead topologySpreadConstraints os", Leaf.ANYTHING),
    **_fields("schedulingGates resourceClaims resources workloadRef", Leaf.ANYTHING),
}

_POD: Shape = {
    "apiVersion": Leaf.STRING,
    "kind": Leaf.STRING,
    "metadata": {
        **_fields("name generateName namespace selfLink uid resourceVersion", Leaf.STRING),
        **_fields("generation deletionGracePeriodSeconds", Leaf.INTEGER),
        **_fields("creationTimestamp deletionTimestamp", Leaf.STRING),
        **_fields("ownerReferences finalizers managedFields", Leaf.ANYTHING),
        "labels": MapOf(Leaf.STRING),
        "annotations": MapOf(Leaf.STRING),
    },
    "spec": _SPEC,
    "status": Leaf.ANYTHING,
}


def decoding_errors(pod: JSONObject) -> Iterator[str]:
    """Say why the pod does not decode, in the words of Go's encoding/json."""
    for path, value, shape in _nodes("", pod, _POD):
        if not _fits(value, shape):
            kind, target = _GO_KINDS.get(type(value), "null"), path.lstrip(".")
            yield f"json: cannot unmarshal {kind} into {target} of type {_type_name(shape)}"


def unknown_fields(pod: JSONObject) -> list[str]:
    """List the paths of fields that the API types do not have, as far as `_POD` describes them.

    The API server's decoder drops such a field without a word when a patch brought it
    (json.SerializerOptions without Strict in webhook/mutating/dispatcher.go).
    """
    return [
        f"{path}.{name}".lstrip(".")
        for path, value, shape in _nodes("", pod, _POD)
        if isinstance(shape, dict) and isinstance(value, dict)
        for name in value
        if name not in shape
    ]


def _nodes(path: str, value: object, shape: Shape) -> Iterator[tuple[str, object, Shape]]:
    yield path, value, shape
    for step, child, child_shape in _children(value, shape):
        yield from _nodes(path + step, child, child_shape)


def _children(value: object, shape: Shape) -> Iterator[tuple[str, object, Shape]]:
    match value, shape:
        case dict(), dict():
            # A null field decodes to the type's zero value, so it is as good as absent.
            given = {name: child for name, child in value.items() if child is not None}
            yield from ((f".{name}", given[name], shape[name]) for name in given if name in shape)
        case dict(), MapOf():
            yield from ((f"[{key}]", child, shape.values) for key, child in value.items())
        case list(), list():
            yield from ((f"[{index}]", child, shape[0]) for index, child in enumerate(value))


def _fits(value: object, shape: Shape) -> bool:
    match shape:
        case Leaf.ANYTHING:
            return True
        case Leaf.QUANTITY:
            return _is_quantity(value)
        case Leaf():
            return type(value) in _PYTHON_TYPES[shape]
        case list():
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _is_quantity(value: object) -> bool:
    try:
        return type(value) in {str, int, float} and parse_quantity(str(value)).is_finite()
    except ValueError:
        return False


def _type_name(shape: Shape) -> str:
    match shape:
        case Leaf():
            return shape.value
        case list():
            return f"[]{_type_name(shape[0])}"
        case MapOf():
            return f"map[string]{_type_name(shape.values)}"
        case _:
            return "object"
