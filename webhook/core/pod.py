"""The part of a Pod that some rule reads, typed. Everything else stays raw JSON and is never built into objects.

Field names are the API's own (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/). A pod is only
ever *read* through these types; what we change goes out as JSON Patch operations, so a field that is unknown here survives.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from webhook.core.cached_property import CachedProperty
from webhook.core.document import Documents
from webhook.core.errors import MalformedPodError
from webhook.core.names import HELPER_CONTAINER
from webhook.core.pre_encoded import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class _FileKey(msgspec.Struct, frozen=True, gc=False):
    volumeName: str | None = None  # noqa: N815


class _VariableSource(msgspec.Struct, frozen=True, gc=False):
    fileKeyRef: _FileKey | None = None  # noqa: N815


class EnvVar(msgspec.Struct, frozen=True, gc=False):
    """One entry of a container's environment. ``value`` is None where it is empty or comes from elsewhere (``valueFrom``)."""

    name: str
    value: str | None = None
    valueFrom: _VariableSource | None = None  # noqa: N815


class VolumeMount(msgspec.Struct, frozen=True, gc=False):
    """A volume mounted into a container: the name of the volume, where, and whether it can only be read there."""

    name: str
    mountPath: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815


class VolumeDevice(msgspec.Struct, frozen=True, gc=False):
    """A block device in a container: the name of its volume, and where."""

    name: str | None = None
    devicePath: str | None = None  # noqa: N815


class Port(msgspec.Struct, frozen=True, gc=False):
    """A port of a container. Its number may be absent or wrong in a pod that the API server will refuse."""

    containerPort: int | None = None  # noqa: N815
    hostPort: int | None = None  # noqa: N815
    name: str | None = None


# Fields that few decisions need stay undecoded until one needs them.
ABSENT = msgspec.Raw(b"null")


class Volume(msgspec.Struct, frozen=True, gc=False):
    """A volume of the pod: what it is called, and what kind it is."""

    name: str
    configMap: msgspec.Raw = ABSENT  # noqa: N815
    csi: msgspec.Raw = ABSENT
    downwardAPI: msgspec.Raw = ABSENT  # noqa: N815
    emptyDir: msgspec.Raw = ABSENT  # noqa: N815
    image: msgspec.Raw = ABSENT
    projected: msgspec.Raw = ABSENT
    secret: msgspec.Raw = ABSENT

    @property
    def is_read_only(self) -> bool:
        """Whether no container can write into it for another to read."""
        return not (self.configMap == self.downwardAPI == self.image == self.projected == self.secret == ABSENT)

    @property
    def driver(self) -> str | None:
        """The CSI driver of an inline volume."""
        found = (_read(_OBJECT, self.csi, "csi") or {}).get("driver")
        return found if isinstance(found, str) else None


_ENVIRONMENT: Final = msgspec.json.Decoder(list[EnvVar] | None)
_MOUNTS: Final = msgspec.json.Decoder(list[VolumeMount] | None)
_DEVICES: Final = msgspec.json.Decoder(list[VolumeDevice] | None)
_PORTS: Final = msgspec.json.Decoder(list[Port] | None)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any] | None)
_ANY: Final = msgspec.json.Decoder(Any)

MAX_PORT: Final = 65535

MAX_WORDS: Final = 512
"""Flags are looked up among so many words of a container's command line: no sidecar has more."""

MAX_SCRIPT_CHARACTERS: Final = 16 * 1024
"""The part of a container's scripts in which words are looked up."""

USUAL_CONTAINERS: Final = 10
"""A pod of more is read as much as one of so many: each container has its part of the limits above."""

MAX_ARGUMENT_CHARACTERS: Final = 8 * 1024
"""The part of a word that is read as a flag or a property: twice the longest value that a rule matches."""

MAX_KEY_CHARACTERS: Final = 256
"""The part of a property's key that is read, its end: no rule names one as long."""

_TAKES_SCRIPT: Final = re.compile(r"-[A-Za-z]{0,9}c")
_BREAKS: Final = re.compile(r"[\s;&|()]+")


def _read(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw, field: str) -> T:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as problem:
        message = f"{problem} of {field}"
        raise MalformedPodError(message) from problem
    except (UnicodeDecodeError, RecursionError) as problem:
        message = f"{field} is not UTF-8, or nested deeper than any pod"
        raise MalformedPodError(message) from problem


class _SecurityContext(msgspec.Struct, frozen=True):
    windowsOptions: Any = None  # noqa: N815


_SECURITY: Final = msgspec.json.Decoder(_SecurityContext | None)


def _has_windows_options(security: msgspec.Raw) -> bool:
    if security == ABSENT:
        return False
    read = _read(_SECURITY, security, "securityContext")
    return bool(read and read.windowsOptions)


class Container(msgspec.Struct, frozen=True, dict=True):
    """A regular or init container. ``restartPolicy`` "Always" on an init container makes it a native sidecar (KEP-753)."""

    name: str
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    restartPolicy: str | None = None  # noqa: N815
    env: msgspec.Raw = ABSENT
    envFrom: msgspec.Raw = ABSENT  # noqa: N815
    imagePullPolicy: msgspec.Raw = ABSENT  # noqa: N815
    lifecycle: msgspec.Raw = ABSENT
    livenessProbe: msgspec.Raw = ABSENT  # noqa: N815
    ports: msgspec.Raw = ABSENT
    readinessProbe: msgspec.Raw = ABSENT  # noqa: N815
    resizePolicy: msgspec.Raw = ABSENT  # noqa: N815
    resources: msgspec.Raw = ABSENT
    restartPolicyRules: msgspec.Raw = ABSENT  # noqa: N815
    startupProbe: msgspec.Raw = ABSENT  # noqa: N815
    securityContext: msgspec.Raw = ABSENT  # noqa: N815
    volumeDevices: msgspec.Raw = ABSENT  # noqa: N815
    volumeMounts: msgspec.Raw = ABSENT  # noqa: N815
    workingDir: msgspec.Raw = ABSENT  # noqa: N815

    @property
    def is_native_sidecar(self) -> bool:
        """Whether this init container runs beside the task: exactly "Always"; KEP-5307 gives other values to plain ones."""
        return self.restartPolicy == "Always"

    @property
    def has_native_fields(self) -> bool:
        """Whether it has a field that, of all init containers, only a native sidecar may have (validation.go validateInitContainers)."""
        return not (self.lifecycle == self.livenessProbe == self.readinessProbe == self.startupProbe == ABSENT)

    @CachedProperty
    def read_part(self) -> float:
        """The part of the limits on what is read of one container: less than 1 in a pod of many, see `PodSpec`."""
        return 1.0

    @CachedProperty
    def argv(self) -> list[str]:
        """What the pod says of the command line: command and args; the image's own defaults are not in the pod."""
        return [*(self.command or ()), *(self.args or ())]

    @CachedProperty
    def words(self) -> list[str]:
        """`argv`, with a script that a shell is given (``sh -ec "…"``) taken apart into its words."""
        words: list[str] = []
        is_script = False
        most, left = int(MAX_WORDS * self.read_part), int(MAX_SCRIPT_CHARACTERS * self.read_part)
        for argument in self.argv[:most]:
            words += _words_of_script(argument[:left], most) if is_script else [argument]
            left = max(0, left - len(argument)) if is_script else left
            if len(words) >= most:
                break
            is_script = _TAKES_SCRIPT.fullmatch(argument) is not None
        return words[:most]

    @CachedProperty
    def distinct_words(self) -> frozenset[str]:
        """`words`, each once."""
        return frozenset(self.words)

    @CachedProperty
    def flags(self) -> dict[str, str]:
        """The value of each ``--flag=value`` or ``--flag value``, "" for a bare ``--flag``; the first one counts."""
        found: dict[str, str] = {}
        words = self.words
        for word, following in zip_longest(words, words[1:], fillvalue=""):
            flag, equals, value = word[:MAX_ARGUMENT_CHARACTERS].partition("=")
            if flag not in found:
                found[flag] = value if equals else "" if following.startswith("-") else following
        return found

    @CachedProperty
    def properties(self) -> dict[str, str]:
        """The value of each ``key=value``, by its key in small letters, also behind ``-p`` and ``--prop=``; the first one counts."""
        pairs = [word[:MAX_ARGUMENT_CHARACTERS].rpartition("=") for word in reversed(self.words) if "=" in word]
        return {before[-MAX_KEY_CHARACTERS:].rpartition("=")[2].removeprefix("-p").lower(): value for before, _, value in pairs}

    @CachedProperty
    def variables(self) -> list[EnvVar]:
        """Its environment variables."""
        return _read(_ENVIRONMENT, self.env, "env") or []

    @CachedProperty
    def environment(self) -> dict[str, str]:
        """Its literal environment variables; "" where the value comes from elsewhere."""
        return {variable.name: variable.value or "" for variable in self.variables}

    @CachedProperty
    def mounts(self) -> list[VolumeMount]:
        """The volumes mounted in it."""
        return _read(_MOUNTS, self.volumeMounts, "volumeMounts") or []

    @CachedProperty
    def mounted_volumes(self) -> frozenset[str]:
        """Names of the volumes mounted in it."""
        return frozenset([mount.name for mount in self.mounts])

    @CachedProperty
    def devices(self) -> list[VolumeDevice]:
        """The block devices in it."""
        return _read(_DEVICES, self.volumeDevices, "volumeDevices") or []

    @property
    def device_paths(self) -> list[str | None]:
        """Where block devices are in it."""
        return [device.devicePath for device in self.devices]

    @property
    def written_volumes(self) -> list[str | None]:
        """Names of the volumes into which it may write."""
        return [*(mount.name for mount in self.mounts if not mount.readOnly), *(device.name for device in self.devices)]

    @property
    def needed_volumes(self) -> list[str | None]:
        """Names of the volumes whose content it may read."""
        return [*(mount.name for mount in self.mounts), *(device.name for device in self.devices), *self.variable_volumes]

    @property
    def variable_volumes(self) -> list[str | None]:
        """Names of the volumes from whose files its variables come. It need not mount them; without the files the kubelet cannot create it.

        https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file (Kubernetes 1.35)
        """
        sources = [variable.valueFrom for variable in self.variables if variable.valueFrom is not None]
        return [source.fileKeyRef.volumeName for source in sources if source.fileKeyRef is not None]

    @CachedProperty
    def open_ports(self) -> list[Port]:
        """The ports it declares."""
        return _read(_PORTS, self.ports, "ports") or []

    @CachedProperty
    def lifecycle_hooks(self) -> dict[str, Any]:
        """Its lifecycle hooks: ``postStart`` and ``preStop``."""
        return _read(_OBJECT, self.lifecycle, "lifecycle") or {}

    @property
    def has_post_start(self) -> bool:
        """Whether containers behind it start only after its postStart hook has ended."""
        return self.lifecycle != ABSENT and bool(self.lifecycle_hooks.get("postStart"))

    @CachedProperty
    def readiness(self) -> dict[str, Any]:
        """Its readiness probe."""
        return _read(_OBJECT, self.readinessProbe, "readinessProbe") or {}

    @CachedProperty
    def readiness_port(self) -> str | None:
        """The port of its readiness probe's HTTP request; None: there is no such request, or it names a port."""
        request = self.readiness.get("httpGet")
        port = request.get("port") if isinstance(request, dict) else None
        return str(port) if type(port) is int and 0 < port <= MAX_PORT else None

    @CachedProperty
    def security(self) -> dict[str, Any]:
        """Its security context."""
        return _read(_OBJECT, self.securityContext, "securityContext") or {}

    @property
    def has_windows_options(self) -> bool:
        """Whether its security context has options that only Windows has."""
        return _has_windows_options(self.securityContext)

    @CachedProperty
    def demands(self) -> dict[str, Any]:
        """Its resources: requests and limits."""
        return _read(_OBJECT, self.resources, "resources") or {}

    def field(self, name: str) -> Any:
        """The value of one of its fields, whatever its type."""
        value = getattr(self, name)
        return _read(_ANY, value, name) if isinstance(value, msgspec.Raw) else value


def _words_of_script(script: str, most: int) -> list[str]:
    return _BREAKS.split(script.replace('"', "").replace("'", ""), most)


class OperatingSystem(msgspec.Struct, frozen=True):
    """``spec.os``."""

    name: str | None = None


class Toleration(msgspec.Struct, frozen=True, gc=False):
    """One of ``spec.tolerations``; without a key it tolerates every taint."""

    key: str | None = None


class NodeRequirement(msgspec.Struct, frozen=True):
    """One of ``matchExpressions`` in a node affinity."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class NodeTerm(msgspec.Struct, frozen=True):
    """One term of a node affinity."""

    matchExpressions: list[NodeRequirement] | None = None  # noqa: N815
    matchFields: list[NodeRequirement] | None = None  # noqa: N815


class _NodeSelector(msgspec.Struct, frozen=True):
    nodeSelectorTerms: list[NodeTerm] | None = None  # noqa: N815


class _PreferredTerm(msgspec.Struct, frozen=True):
    preference: NodeTerm | None = None


class NodeAffinity(msgspec.Struct, frozen=True):
    """``spec.affinity.nodeAffinity``."""

    requiredDuringSchedulingIgnoredDuringExecution: _NodeSelector | None = None  # noqa: N815
    preferredDuringSchedulingIgnoredDuringExecution: list[_PreferredTerm] | None = None  # noqa: N815

    @property
    def required(self) -> list[NodeTerm]:
        """The terms of which a node must fulfil one."""
        selector = self.requiredDuringSchedulingIgnoredDuringExecution
        return [] if selector is None else selector.nodeSelectorTerms or []

    @property
    def preferred(self) -> list[NodeTerm]:
        """The terms that a node should fulfil."""
        terms = self.preferredDuringSchedulingIgnoredDuringExecution or []
        return [one.preference for one in terms if one.preference is not None]


class _Affinity(msgspec.Struct, frozen=True):
    nodeAffinity: NodeAffinity | None = None  # noqa: N815


_AFFINITY: Final = msgspec.json.Decoder(_Affinity | None)
_TOLERATIONS: Final = msgspec.json.Decoder(list[Toleration] | None)
_ANY_NODE: Final = NodeAffinity()


class PodSpec(msgspec.Struct, frozen=True, dict=True):
    """``spec``. An absent ``restartPolicy`` is "Always", the API's default."""

    containers: list[Container]
    initContainers: list[Container] | None = None  # noqa: N815
    volumes: list[Volume] | None = None
    restartPolicy: str | None = None  # noqa: N815
    hostNetwork: bool | None = None  # noqa: N815
    securityContext: msgspec.Raw = ABSENT  # noqa: N815
    os: OperatingSystem | None = None
    nodeName: str | None = None  # noqa: N815
    nodeSelector: dict[str, str] | None = None  # noqa: N815
    runtimeClassName: str | None = None  # noqa: N815
    affinity: msgspec.Raw = ABSENT
    tolerations: msgspec.Raw = ABSENT

    def __post_init__(self) -> None:
        """Divide what is read of a container where there are many: the whole pod is to be bounded. The webhook's helper does not count."""
        if len(self.containers) + len(self.initContainers or ()) <= USUAL_CONTAINERS:
            return
        containers = [one for one in (*self.containers, *(self.initContainers or ())) if one.name != HELPER_CONTAINER]
        for container in containers:
            container.__dict__["read_part"] = min(1.0, USUAL_CONTAINERS / len(containers))

    @CachedProperty
    def tolerated(self) -> list[Toleration]:
        """Its tolerations."""
        return _read(_TOLERATIONS, self.tolerations, "tolerations") or []

    @CachedProperty
    def node_affinity(self) -> NodeAffinity:
        """Its node affinity."""
        affinity = _read(_AFFINITY, self.affinity, "affinity")
        return (affinity and affinity.nodeAffinity) or _ANY_NODE

    @CachedProperty
    def security(self) -> dict[str, Any]:
        """Its security context."""
        return _read(_OBJECT, self.securityContext, "securityContext") or {}

    @property
    def has_windows_options(self) -> bool:
        """Whether its security context has options that only Windows has."""
        return _has_windows_options(self.securityContext)

    @property
    def container_names(self) -> list[str]:
        """Of its regular containers, in their order."""
        return [container.name for container in self.containers]

    @CachedProperty
    def init_container_names(self) -> frozenset[str]:
        """Of its init containers, native sidecars among them."""
        return frozenset([container.name for container in self.initContainers or ()])

    @CachedProperty
    def volume_names(self) -> frozenset[str]:
        """Of all its volumes."""
        return frozenset([volume.name for volume in self.volumes or ()])

    @property
    def writable_volumes(self) -> frozenset[str]:
        """Names of the volumes into which a container can write for another to read."""
        return frozenset([volume.name for volume in self.volumes or () if not volume.is_read_only])

    def volumes_of(self, driver: str) -> frozenset[str]:
        """Names of the inline volumes of this CSI driver."""
        return self._volumes_by_driver.get(driver, frozenset()) if self.volumes else frozenset()

    @CachedProperty
    def _volumes_by_driver(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for volume in self.volumes or ():
            if volume.csi != ABSENT and (driver := volume.driver) is not None:
                found.setdefault(driver, set()).add(volume.name)
        return {driver: frozenset(names) for driver, names in found.items()}


class OwnerReference(msgspec.Struct, frozen=True):
    """Who made the pod; a Job's pods have one, Airflow's own have none."""

    kind: str | None = None
    name: str | None = None
    controller: bool | None = None


class Metadata(msgspec.Struct, frozen=True):
    """``metadata``. Of a pod made from ``generateName`` the name is not known at admission."""

    name: str | None = None
    generateName: str | None = None  # noqa: N815
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None  # noqa: N815


MAX_ID_CHARACTERS: Final = 250
"""Of a DAG and of a task (airflow/models/base.py ``ID_LEN``). Whoever creates a pod may write longer ones into its annotations."""


class Pod(msgspec.Struct, frozen=True, dict=True):
    """A v1 Pod, as far as the rules read it."""

    metadata: Metadata
    spec: PodSpec

    @CachedProperty
    def labels(self) -> dict[str, str]:
        """Its labels; empty where there are none."""
        return self.metadata.labels or {}

    @CachedProperty
    def annotations(self) -> dict[str, str]:
        """Its annotations; empty where there are none."""
        return self.metadata.annotations or {}

    @property
    def init_containers(self) -> list[Container]:
        """Its init containers, native sidecars among them."""
        return self.spec.initContainers or []

    @property
    def shown_name(self) -> str:
        """Its name, or what it is generated from."""
        return self.metadata.name or self.metadata.generateName or ""

    @property
    def dag_id(self) -> str:
        """The id of its DAG, as Airflow wrote it on the pod; empty where it did not."""
        return self._written("dag_id")

    @property
    def task_id(self) -> str:
        """The id of its task, likewise."""
        return self._written("task_id")

    def _written(self, key: str) -> str:
        """What Airflow wrote on the pod: the annotation has the whole id, the label what a label may have of it."""
        return self.annotations.get(key) or self.labels.get(key) or ""

    @CachedProperty
    def documents(self) -> Documents:
        """The JSON and YAML mappings in it that were read so far."""
        return Documents()


MAX_COMMAS: Final = 40_000
"""In the JSON of a pod: every field but the first of an object and every item but the first of a list has one before it."""

MAX_BRACKETS: Final = 40_000
"""That open an object or a list there: of those with one field or item no comma counts."""


def is_too_large(body: bytes) -> bool:
    """Whether a pod in this JSON has more fields and items than the rules read; a large text is no trouble to them."""
    if len(body) <= min(MAX_COMMAS, MAX_BRACKETS):
        return False
    return body.count(b",") > MAX_COMMAS or body.count(b"{") + body.count(b"[") > MAX_BRACKETS


_POD: Final = msgspec.json.Decoder(Pod)


def read_pod(pod: Mapping[str, Any] | bytes) -> Pod:
    """A pod from a mapping, or from JSON.

    Raises:
        MalformedPodError: It is no JSON, or no pod by the Pod API's types. The message holds no value of the pod.

    """
    data = pod if isinstance(pod, bytes) else encode_pod(pod)
    try:
        return _POD.decode(data)
    except msgspec.ValidationError as problem:
        raise MalformedPodError(str(problem)) from problem
    except _NOT_JSON as problem:
        raise MalformedPodError(_NOT_JSON_MESSAGE) from problem


def encode_pod(pod: Mapping[str, Any]) -> bytes:
    """A pod as JSON.

    Raises:
        MalformedPodError: It holds what JSON cannot, or is nested deeper than any pod.

    """
    try:
        return to_json(pod)
    except _NOT_JSON as problem:
        raise MalformedPodError(_NOT_JSON_MESSAGE) from problem


_NOT_JSON: Final = (msgspec.MsgspecError, TypeError, ValueError, RecursionError, NotImplementedError)
_NOT_JSON_MESSAGE: Final = "the pod is not JSON, or is nested deeper than any pod"
