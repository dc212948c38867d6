"""What the API server checks in a pod, as far as a webhook like this one could break it.

Does it decode (`pod_schema`), and is it valid (pkg/apis/core/validation/validation.go in
kubernetes/kubernetes)? Fields that API defaults would fill may be absent.

It cannot show: rules about fields that this product never touches (affinity, tolerations, DNS,
claims, volume sources other than emptyDir), and what depends on feature gates beyond their
defaults in each version.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.support.oracles.pod_schema import decoding_errors
from tests.support.oracles.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.json_object import JSONObject

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

MAX_NAME_LENGTH = 63  # RFC 1123 label; also label values and the name part of keys
MAX_PREFIX_LENGTH = 253  # RFC 1123 subdomain
MAX_ANNOTATIONS_BYTES = 256 * 1024  # apimachinery pkg/api/validation TotalAnnotationSizeLimitB
MAX_PORT = 65535
MAX_PORT_NAME_LENGTH = 15  # apimachinery pkg/util/validation IsValidPortName
MAX_RESTART_RULES = 20

# Minor versions of Kubernetes 1.x, pkg/features/kube_features.go: where a gate is on by default.
RESIZE_OF_SIDECARS = 33  # InPlacePodVerticalScaling
RESTART_RULES = 35  # ContainerRestartRules
DEFAULT_MINOR = 34
MAX_ID = 2**31 - 1  # apimachinery pkg/util/validation IsValidUserID

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(rf"{_DNS_LABEL.pattern}(\.{_DNS_LABEL.pattern})*")
_NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
# The rule before 1.32; later servers take any printable character but `=`.
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_WITHOUT_ALWAYS = "may not be set for init containers without restartPolicy=Always"


def validate(pod: JSONObject, minor: int = DEFAULT_MINOR) -> list[str]:
    """Say why an API server 1.`minor` would not store the pod; empty where it would.

    Each entry is `field.path: reason`, in the API server's words. A pod that does not decode is
    not checked further.
    """
    return list(decoding_errors(pod)) or [
        *_metadata_errors(pod.get("metadata") or {}),
        *_spec_errors(pod.get("spec") or {}, minor),
    ]


def qualified_name_problems(name: str) -> list[str]:
    """Say what is wrong with a label or annotation key; empty if nothing is.

    The rule is IsQualifiedName in apimachinery pkg/util/validation.
    """
    prefix, slash, rest = name.partition("/")
    if not slash:
        return _name_part_problems(name)
    if "/" in rest:
        return ["a qualified name must have at most one '/'"]
    return [*_prefix_problems(prefix), *_name_part_problems(rest)]


def _required(path: str) -> str:
    return f"{path}: Required value"


def _invalid(path: str, value: object, detail: str) -> str:
    return f"{path}: Invalid value: {json.dumps(value, ensure_ascii=False)}: {detail}"


def _duplicate(path: str, value: str) -> str:
    return f'{path}: Duplicate value: "{value}"'


def _forbidden(path: str, detail: str) -> str:
    return f"{path}: Forbidden: {detail}"


def _unsupported(path: str, value: object, supported: Iterable[str]) -> str:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return f'{path}: Unsupported value: "{value}": supported values: {choices}'


def _metadata_errors(metadata: JSONObject) -> Iterator[str]:
    for key, value in (metadata.get("labels") or {}).items():
        for problem in qualified_name_problems(key):
            yield _invalid("metadata.labels", key, problem)
        for problem in _label_value_problems(value):
            yield _invalid("metadata.labels", value, problem)
    yield from _annotation_errors(metadata.get("annotations") or {})


def _annotation_errors(annotations: dict[str, str]) -> Iterator[str]:
    for key in annotations:
        # Prefixes may be upper case here, unlike in labels (apimachinery ValidateAnnotations).
        for problem in qualified_name_problems(key.lower()):
            yield _invalid("metadata.annotations", key, problem)
    total = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if total > MAX_ANNOTATIONS_BYTES:
        yield f"metadata.annotations: Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes"


def _name_part_problems(name: str) -> list[str]:
    problems = []
    if not name:
        problems.append("name part must be non-empty")
    if len(name) > MAX_NAME_LENGTH:
        problems.append("name part must be no more than 63 characters")
    if not _NAME_PART.fullmatch(name):
        problems.append(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        )
    return problems


def _prefix_problems(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    problems = []
    if len(prefix) > MAX_PREFIX_LENGTH:
        problems.append("prefix part must be no more than 253 characters")
    if not _DNS_SUBDOMAIN.fullmatch(prefix):
        problems.append("prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'")
    return problems


def _label_value_problems(value: str) -> list[str]:
    problems = []
    if len(value) > MAX_NAME_LENGTH:
        problems.append("must be no more than 63 characters")
    if value and not _NAME_PART.fullmatch(value):
        problems.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character",
        )
    return problems


def _dns_label_errors(path: str, name: str | None) -> Iterator[str]:
    if not name:
        yield _required(path)
    elif len(name) > MAX_NAME_LENGTH:
        yield _invalid(path, name, "must be no more than 63 characters")
    elif not _DNS_LABEL.fullmatch(name):
        yield _invalid(
            path,
            name,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric "
            "characters or '-', and must start and end with an alphanumeric character",
        )


def _spec_errors(spec: JSONObject, minor: int) -> Iterator[str]:
    yield from _volume_errors(spec)
    if not spec.get("containers"):
        yield _required("spec.containers")
    yield from _unique_name_errors((f"{path}.name", each) for path, each in containers_of(spec))
    for path, container in containers_of(spec):
        yield from _container_errors(path, container, _volume_names(spec))
        yield from _resize_errors(f"{path}.resizePolicy", container.get("resizePolicy") or [], spec.get("restartPolicy"))
    for index, container in enumerate(spec.get("containers") or []):
        yield from _regular_container_errors(f"spec.containers[{index}]", container, minor)
    for index, container in enumerate(spec.get("initContainers") or []):
        yield from _init_container_errors(f"spec.initContainers[{index}]", container, minor)
        # Each for itself, since init containers run one after the other.
        yield from _host_port_errors([(f"spec.initContainers[{index}]", container)])
    yield from _host_port_errors((f"spec.containers[{i}]", each) for i, each in enumerate(spec.get("containers") or []))
    yield from _identity_errors("spec.securityContext", spec.get("securityContext") or {})
    policies = ("Always", "OnFailure", "Never")
    if spec.get("restartPolicy") not in {None, *policies}:
        yield _unsupported("spec.restartPolicy", spec["restartPolicy"], policies)


def containers_of(spec: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    """The path and the container, for every container of any list."""
    for field in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(field) or []):
            yield f"spec.{field}[{index}]", container


def _unique_name_errors(named: Iterable[tuple[str, JSONObject]]) -> Iterator[str]:
    seen = set()
    for path, each in named:
        name = each.get("name")
        if name and name in seen:
            yield _duplicate(path, name)
        seen.add(name)


def _volume_names(spec: JSONObject) -> set[str]:
    return {volume.get("name") for volume in spec.get("volumes") or []}


def _volume_errors(spec: JSONObject) -> Iterator[str]:
    volumes = [(f"spec.volumes[{i}]", volume) for i, volume in enumerate(spec.get("volumes") or [])]
    yield from _unique_name_errors((f"{path}.name", volume) for path, volume in volumes)
    for path, volume in volumes:
        yield from _dns_label_errors(f"{path}.name", volume.get("name"))
        # None at all is right: defaulting makes it an emptyDir.
        for source in volume_types(volume)[1:]:
            yield _forbidden(f"{path}.{source}", "may not specify more than 1 volume type")
        size_limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if size_limit is not None and parse_quantity(size_limit) < 0:
            detail = "SizeLimit field must be a valid resource quantity"
            yield _forbidden(f"{path}.emptyDir.sizeLimit", detail)


def volume_types(volume: JSONObject) -> list[str]:
    """The types that a volume names; a valid one names one."""
    return [field for field, value in volume.items() if field != "name" and value is not None]


def _container_errors(path: str, container: JSONObject, volume_names: set[str]) -> Iterator[str]:
    yield from _dns_label_errors(f"{path}.name", container.get("name"))
    yield from _image_errors(f"{path}.image", container.get("image"))
    yield from _port_list_errors(f"{path}.ports", container.get("ports") or [])
    for index, variable in enumerate(container.get("env") or []):
        yield from _env_name_errors(f"{path}.env[{index}].name", variable.get("name"))
    yield from _mount_errors(f"{path}.volumeMounts", container.get("volumeMounts") or [], volume_names)
    yield from _device_errors(f"{path}.volumeMounts", container)
    yield from _resource_errors(f"{path}.resources", container.get("resources") or {})
    yield from _security_context_errors(f"{path}.securityContext", container.get("securityContext") or {})


def _image_errors(path: str, image: str | None) -> Iterator[str]:
    if not image:
        yield _required(path)
    elif image != image.strip():
        yield _invalid(path, image, "must not have leading or trailing whitespace")


def _port_list_errors(path: str, ports: list[JSONObject]) -> Iterator[str]:
    seen = set()
    for index, port in enumerate(ports):
        name = port.get("name")
        if name:
            yield from _port_name_errors(f"{path}[{index}].name", name)
            if name in seen:
                yield _duplicate(f"{path}[{index}].name", name)
            seen.add(name)
        yield from _port_number_errors(f"{path}[{index}]", port)
        # An absent protocol is defaulted to TCP.
        if port.get("protocol") not in {None, "SCTP", "TCP", "UDP"}:
            yield _unsupported(f"{path}[{index}].protocol", port["protocol"], ("SCTP", "TCP", "UDP"))


def _port_name_errors(path: str, name: str) -> Iterator[str]:
    if len(name) > MAX_PORT_NAME_LENGTH:
        yield _invalid(path, name, f"must be no more than {MAX_PORT_NAME_LENGTH} characters")
    if not re.fullmatch(r"[-a-z0-9]*", name):
        yield _invalid(path, name, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        yield _invalid(path, name, "must contain at least one letter (a-z)")
    if "--" in name or name.startswith("-") or name.endswith("-"):
        yield _invalid(path, name, "must not contain consecutive hyphens, or begin or end with a hyphen")


def _port_number_errors(path: str, port: JSONObject) -> Iterator[str]:
    if not port.get("containerPort"):
        yield _required(f"{path}.containerPort")
    for field in ("containerPort", "hostPort"):
        number = port.get(field)
        if number and not 1 <= number <= MAX_PORT:
            yield _invalid(f"{path}.{field}", number, "must be between 1 and 65535, inclusive")


def _host_port_errors(containers: Iterable[tuple[str, JSONObject]]) -> Iterator[str]:
    """Find a host port that two take (AccumulateUniqueHostPorts)."""
    seen = set()
    for path, container in containers:
        for index, port in enumerate(container.get("ports") or []):
            taken = f"{port.get('protocol') or 'TCP'}/{port.get('hostIP') or ''}/{port.get('hostPort')}"
            if port.get("hostPort") and taken in seen:
                yield _duplicate(f"{path}.ports[{index}].hostPort", taken)
            seen.add(taken)


def _resize_errors(path: str, policies: list[JSONObject], pod_restarts: str | None) -> Iterator[str]:
    seen = set()
    for index, policy in enumerate(policies):
        resource, restart = policy.get("resourceName"), policy.get("restartPolicy")
        if resource in seen:
            yield _duplicate(f"{path}[{index}]", str(resource))
        seen.add(resource)
        if resource not in {"cpu", "memory"}:
            yield _unsupported(path, resource, ("cpu", "memory"))
        if restart not in {"NotRequired", "RestartContainer"}:
            yield _unsupported(path, restart, ("NotRequired", "RestartContainer"))
        if pod_restarts == "Never" and restart != "NotRequired":
            yield _invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _env_name_errors(path: str, name: str | None) -> Iterator[str]:
    if not name:
        yield _required(path)
    elif not _ENV_NAME.fullmatch(name):
        yield _invalid(
            path,
            name,
            "a valid environment variable name must consist of alphabetic "
            "characters, digits, '_', '-', or '.', and must not start with a digit",
        )


def _mount_errors(path: str, mounts: list[JSONObject], volume_names: set[str]) -> Iterator[str]:
    seen = set()
    for index, mount in enumerate(mounts):
        name, mount_path = mount.get("name"), mount.get("mountPath")
        if not name:
            yield _required(f"{path}[{index}].name")
        elif name not in volume_names:
            yield f'{path}[{index}].name: Not found: "{name}"'
        if not mount_path:
            yield _required(f"{path}[{index}].mountPath")
        elif mount_path in seen:
            yield _invalid(f"{path}[{index}].mountPath", mount_path, "must be unique")
        seen.add(mount_path)


def _device_errors(path: str, container: JSONObject) -> Iterator[str]:
    """Find a mount that has the volume or the path of a block device (ValidateVolumeMounts)."""
    devices = container.get("volumeDevices") or []
    names, paths = ({device.get(field) for device in devices} for field in ("name", "devicePath"))
    for index, mount in enumerate(container.get("volumeMounts") or []):
        if mount.get("name") in names:
            yield _invalid(f"{path}[{index}].name", mount["name"], "must not already exist in volumeDevices")
        if mount.get("mountPath") in paths:
            yield _invalid(f"{path}[{index}].mountPath", mount["mountPath"], "must not already exist as a path in volumeDevices")


def _resource_errors(path: str, resources: JSONObject) -> Iterator[str]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, quantities in (("limits", limits), ("requests", requests)):
        for name, quantity in quantities.items():
            if parse_quantity(quantity) < 0:
                yield _invalid(f"{path}.{field}[{name}]", quantity, "must be greater than or equal to 0")
    for name in requests.keys() & limits.keys():
        if parse_quantity(requests[name]) > parse_quantity(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield _invalid(f"{path}.requests", requests[name], detail)


def _security_context_errors(path: str, context: JSONObject) -> Iterator[str]:
    yield from _identity_errors(path, context)
    if context.get("allowPrivilegeEscalation") is not False:
        return
    if context.get("privileged"):
        yield _invalid(path, "", "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    if "SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or []):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        yield _invalid(path, "", detail)


def _identity_errors(path: str, context: JSONObject) -> Iterator[str]:
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        identity = context.get(field)
        if identity is not None and not 0 <= identity <= MAX_ID:
            yield _invalid(f"{path}.{field}", identity, "must be between 0 and 2147483647, inclusive")
    if context.get("seccompProfile") is not None:
        yield from _seccomp_errors(f"{path}.seccompProfile", context["seccompProfile"])


def _seccomp_errors(path: str, profile: JSONObject) -> Iterator[str]:
    kinds = ("Localhost", "RuntimeDefault", "Unconfined")
    if profile.get("type") not in kinds:
        yield _unsupported(f"{path}.type", profile.get("type") or "", kinds)
    local = profile.get("type") == "Localhost"
    if local and not profile.get("localhostProfile"):
        yield f"{path}.localhostProfile: Required value: must be set when seccomp type is Localhost"
    if not local and profile.get("localhostProfile") is not None:
        detail = "can only be set when seccomp type is Localhost"
        yield _invalid(f"{path}.localhostProfile", profile["localhostProfile"], detail)


def _regular_container_errors(path: str, container: JSONObject, minor: int) -> Iterator[str]:
    if minor >= RESTART_RULES:
        yield from _restart_errors(path, container)
    elif container.get("restartPolicy") is not None:
        yield _forbidden(f"{path}.restartPolicy", "may not be set for non-init containers")
    yield from _hook_errors(path, container)


def _init_container_errors(path: str, container: JSONObject, minor: int) -> Iterator[str]:
    yield from _init_restart_errors(path, container, minor)
    if container.get("resizePolicy") and minor < RESIZE_OF_SIDECARS:
        yield _invalid(f"{path}.resizePolicy", container["resizePolicy"], "must not be set for init containers")
    if container.get("restartPolicy") == "Always":
        yield from _hook_errors(path, container)
        return
    for field in ("lifecycle", *PROBES):
        if container.get(field) is not None:
            yield _forbidden(f"{path}.{field}", _WITHOUT_ALWAYS)


def _init_restart_errors(path: str, container: JSONObject, minor: int) -> Iterator[str]:
    policy = container.get("restartPolicy")
    if policy == "Always" and container.get("restartPolicyRules"):
        yield _forbidden(f"{path}.restartPolicyRules", "restartPolicyRules are not allowed for init containers with restart policy Always")
    elif minor >= RESTART_RULES or policy is None:
        yield from _restart_errors(path, container)
    elif policy != "Always":
        yield _unsupported(f"{path}.restartPolicy", policy, ["Always"])


def _restart_errors(path: str, container: JSONObject) -> Iterator[str]:
    """Judge a container's own restart policy and rules (KEP-5307, validateContainerRestartPolicy)."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    if policy is None and rules:
        yield f"{path}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"
    if policy not in {None, "Always", "Never", "OnFailure"}:
        yield _unsupported(f"{path}.restartPolicy", policy, ("Always", "Never", "OnFailure"))
    if len(rules) > MAX_RESTART_RULES:
        yield f"{path}.restartPolicyRules: Too many: {len(rules)}: must have at most {MAX_RESTART_RULES} items"
    for index, rule in enumerate(rules):
        if rule.get("action") != "Restart":
            yield _unsupported(f"{path}.restartPolicyRules[{index}].action", rule.get("action"), ["Restart"])
        if rule.get("exitCodes") is None:
            yield f"{path}.restartPolicyRules[{index}].exitCodes: Required value: must be specified"


def _hook_errors(path: str, container: JSONObject) -> Iterator[str]:
    for hook in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(hook)
        if handler is not None:
            yield from _handler_errors(f"{path}.lifecycle.{hook}", handler)
    for field in PROBES:
        if container.get(field) is not None:
            yield from _probe_errors(f"{path}.{field}", container[field])


def _probe_errors(path: str, probe: JSONObject) -> Iterator[str]:
    yield from _handler_errors(path, probe)
    if path.endswith("readinessProbe"):
        if probe.get("terminationGracePeriodSeconds") is not None:
            detail = "must not be set for readinessProbes"
            seconds = probe["terminationGracePeriodSeconds"]
            yield _invalid(f"{path}.terminationGracePeriodSeconds", seconds, detail)
    # An absent or zero threshold is defaulted to 1.
    elif (probe.get("successThreshold") or 1) != 1:
        yield _invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")
    for field, value in probe.items():
        if isinstance(value, int) and value < 0:
            yield _invalid(f"{path}.{field}", value, "must be greater than or equal to 0")


def _handler_errors(path: str, handler: JSONObject) -> Iterator[str]:
    kinds = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        yield f"{path}: Required value: must specify a handler type"
    for kind in given[1:]:
        yield _forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    if "exec" in given and not handler["exec"].get("command"):
        yield _required(f"{path}.exec.command")
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if kind in given:
            yield from _port_errors(f"{path}.{kind}.port", handler[kind].get("port"))


def _port_errors(path: str, port: int | str | None) -> Iterator[str]:
    match port:
        case int() if not 1 <= port <= MAX_PORT:
            yield _invalid(path, port, "must be between 1 and 65535, inclusive")
        case None | "":
            yield _required(path)
