"""JSON Patch operations (RFC 6902), written by hand for the places that change, and proved before they leave.

A patch that does not apply rejects the pod even under ``failurePolicy: Ignore`` (apiserver mutating/dispatcher.go), so every patch is
applied here first. It is applied to the part of the pod that the rules read, which holds every place that an operation can name:
what lies outside can neither make it fail nor be changed by it.

What the API server would refuse, of all that an operation can cause (kubernetes pkg/apis/core/validation/validation.go, apimachinery
pkg/api/validation/objectmeta.go and pkg/util/validation), and what ensures it:

==================================================  ============================  ==================================================
rule                                                operation                     ensured by
==================================================  ============================  ==================================================
at least one regular container                      a sidecar is moved, removed   `prove`
names of containers are unique, inits among them    helper; a sidecar is moved    `prove`; the decision leaves pods that have two
names of volumes are unique                         helper's volume               `prove`; the decision leaves pods that have two
a mountPath is unique in its container              helper's mount                `prove`; ``helper-name-taken``
a mountPath is not the devicePath of a device       helper's mount                `prove`; ``helper-name-taken``
a mount's volume is not one of its devices          helper's mount                ``helper-name-taken``
a mount's volume exists                             helper's mount                the volume is added with it
fields for native sidecars only                     a sidecar is moved            `prove`
no restartPolicyRules beside Always                 a sidecar is moved            ``own-restarts``
names of ports are unique in their container        a sidecar is moved            its ports move with it
no two containers have the same hostPort            a sidecar is moved            ``host-port``
resizePolicy has a resource once                    a sidecar is moved            it moves with it
a container has a claim once                        a sidecar is moved            its claims move with it
resizePolicy on an init container                   a sidecar is moved            it is removed before 1.33
aggregate requests within spec.resources, quotas    a sidecar is moved            an order that does not raise them: `Aggregate`
names of variables are valid; two may be the same   a sidecar's variables         `prove`
keys and values of labels are valid                 short name                    `prove`
keys of annotations are valid                       status, hints, conversion     `prove`
annotations have 256 KiB at most                    status, hints, conversion     `prove`; ``annotations-full``
==================================================  ============================  ==================================================
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict

import jsonpatch

from webhook.core.errors import AnnotationsFullError, UnsoundPatchError
from webhook.core.pod import ABSENT
from webhook.core.short_name import is_label_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.core.pod import Container, Pod

MAX_ANNOTATION_BYTES: Final = 256 * 1024
"""All keys and values together: TotalAnnotationSizeLimitB in apimachinery pkg/api/validation/objectmeta.go."""


Operation = TypedDict(
    "Operation", {"op": Literal["add", "move", "remove"], "path": str, "from": NotRequired[str], "value": NotRequired[Any]}
)
"""One operation; ``from`` is a Python keyword, so this cannot be a class."""


@lru_cache(maxsize=1024)
def pointer(*tokens: str | int) -> str:
    """A JSON Pointer (RFC 6901): ``~`` and ``/`` in a token are escaped."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def add(value: object, *tokens: str | int) -> Operation:
    """Set a member, or insert before an index; its parent must be there."""
    return {"op": "add", "path": pointer(*tokens), "value": value}


def remove(*tokens: str | int) -> Operation:
    """Remove a member or an item; it must be there."""
    return {"op": "remove", "path": pointer(*tokens)}


def move(source: tuple[str | int, ...], *tokens: str | int) -> Operation:
    """Move a whole value; an index of the target counts after the value is removed from its source."""
    return {"op": "move", "from": pointer(*source), "path": pointer(*tokens)}


def add_entries(wanted: Mapping[str, str], present: Mapping[str, str] | None, *tokens: str | int) -> list[Operation]:
    """Set entries of a mapping that may be absent or null; entries that already have the value are left out."""
    if wanted and not present:
        return [add(dict(wanted), *tokens)]
    return [add(value, *tokens, key) for key, value in wanted.items() if present is None or present.get(key) != value]


def add_items(wanted: list[dict[str, Any]], present: list[Any] | None, *tokens: str | int) -> list[Operation]:
    """Append to a list that may be absent or null."""
    if wanted and not present:
        return [add(wanted, *tokens)]
    return [add(item, *tokens, "-") for item in wanted]


def prove(pod: Pod, operations: tuple[Operation, ...]) -> None:
    """Apply the operations and check the result against what the API server would refuse.

    Raises:
        AnnotationsFullError: All annotations of the pod would be over 256 KiB.
        UnsoundPatchError: The operations do not apply, or the pod would be invalid in a way it was not before.

    """
    after = _part(pod, operations)
    try:
        for operation in operations:
            after = _applied(operation, after)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as problem:
        message = f"the patch does not apply: {type(problem).__name__}"
        raise UnsoundPatchError(message) from problem
    if annotations_are_full(after["metadata"].get("annotations", {})):
        message = "the annotations are over 256 KiB"
        raise AnnotationsFullError(message)
    violations = set(_violations(after, pod))
    if violations:
        violations -= set(_violations(_part(pod, operations), pod))
    if violations:
        message = f"the patch makes the pod invalid: {'; '.join(sorted(violations))}"
        raise UnsoundPatchError(message)


def _applied(operation: Operation, pod: Any) -> Any:
    """The pod after this operation, as `jsonpatch` applies it; a move is a removal and an addition (RFC 6902, section 4.4)."""
    place = _parsed(operation["path"])
    if operation["op"] == "add":
        return _added(_uncopied(operation["value"]), place, pod)
    if operation["op"] == "remove":
        return jsonpatch.RemoveOperation({"path": place}).apply(pod)
    source = _parsed(operation["from"])
    parent, part = source.to_last(pod)
    if isinstance(parent, list) and type(part) is int and part < len(parent):
        return _added(parent.pop(part), place, pod)
    return jsonpatch.MoveOperation({"from": source, "path": place}).apply(pod)


def _added(value: Any, place: _Pointer, pod: Any) -> Any:
    """The library's addition, with short cuts for a member of a dict and an item of a list."""
    parent, part = place.to_last(pod)
    if isinstance(parent, dict) and part is not None:
        parent[part] = value
    elif isinstance(parent, list) and type(part) is int and part <= len(parent):
        parent.insert(part, value)
    else:
        return jsonpatch.AddOperation({"path": place, "value": value}).apply(pod)
    return pod


@lru_cache(maxsize=256)
def _parsed(path: str) -> _Pointer:
    return _Pointer(path)


class _Pointer(jsonpatch.JsonPointer):
    """The library's pointer with a short cut for the places that exist, through dicts and lists only."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._keys = [int(part) if part.isdecimal() else part for part in self.parts]

    def to_last(self, doc: Any) -> tuple[Any, Any]:
        """The container of the place, and the place's last part."""
        parent = doc
        try:
            for key in self._keys[:-1]:
                parent = parent[key]
        except (LookupError, TypeError):
            return super().to_last(doc)
        if isinstance(parent, dict) and self.parts:
            return parent, self.parts[-1]
        if isinstance(parent, list) and type(self._keys[-1]) is int:
            return parent, self._keys[-1]
        return super().to_last(doc)


class _UncopiedList(list[Any]):
    """A list whose items no later operation changes, so `jsonpatch` need not copy it."""

    def __deepcopy__(self, _memo: object) -> _UncopiedList:
        return self


class _UncopiedDict(dict[str, Any]):
    """A dict whose values no later operation changes, so `jsonpatch` need not copy it."""

    def __deepcopy__(self, _memo: object) -> _UncopiedDict:
        return self


def _uncopied(value: Any) -> Any:
    """A value of an operation: its top level is copied here, and nothing below that is changed by a later operation."""
    if isinstance(value, list):
        return _UncopiedList(value)
    return _UncopiedDict(value) if isinstance(value, dict) else value


def _part(pod: Pod, operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The part of the pod that these operations can name, and that they can break; null and absent are the same to ``add``."""
    metadata, spec = pod.metadata, pod.spec
    places = " ".join([operation["path"] for operation in operations])
    moves = "move" in [operation["op"] for operation in operations]
    shown = partial(_moved_container, variables="/env" in places) if moves else _container
    mounts = "/volumeMounts" in places
    part: dict[str, Any] = {"metadata": {}, "spec": {"containers": [shown(container, mounts=mounts) for container in spec.containers]}}
    if metadata.labels:
        part["metadata"]["labels"] = metadata.labels.copy()
    if metadata.annotations:
        part["metadata"]["annotations"] = metadata.annotations.copy()
    if spec.initContainers and "/spec/initContainers" in places:
        part["spec"]["initContainers"] = [shown(container, mounts=False) for container in spec.initContainers]
    if spec.volumes and "/spec/volumes" in places:
        part["spec"]["volumes"] = [{"name": volume.name} for volume in spec.volumes]
    return part


def _container(container: Container, *, mounts: bool) -> dict[str, Any]:
    part: dict[str, Any] = {"name": container.name}
    if container.command is not None:
        part["command"] = container.command
    if container.args is not None:
        part["args"] = container.args
    if container.restartPolicy is not None:
        part["restartPolicy"] = container.restartPolicy
    if mounts and container.mounts:
        part["volumeMounts"] = [{"mountPath": mount.mountPath} for mount in container.mounts]
    if mounts and container.device_paths:
        part["volumeDevices"] = [{"devicePath": path} for path in container.device_paths]
    return part


def _moved_container(container: Container, *, mounts: bool, variables: bool) -> dict[str, Any]:
    """With what changes in a container on its way to the init containers, and what only some of those may have."""
    part = _container(container, mounts=mounts)
    if container.lifecycle_hooks:
        part["lifecycle"] = container.lifecycle_hooks.copy()
    if variables and container.env != ABSENT:
        part["env"] = [{"name": name} for name in container.environment]
    for field in _PROBES_AND_RESIZE:
        if getattr(container, field) != ABSENT:
            part[field] = {}
    return part


_PROBES_AND_RESIZE: Final = ("livenessProbe", "readinessProbe", "startupProbe", "resizePolicy")
_ONLY_FOR_NATIVE_SIDECARS: Final = frozenset({"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})


_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]", re.ASCII)
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/", re.ASCII)
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)


@lru_cache(maxsize=256)
def is_qualified_name(key: str) -> bool:
    """Whether the API server takes this as the key of a label or annotation (IsQualifiedName)."""
    prefix = _PREFIX.match(key)
    return _NAME.fullmatch(key, prefix.end() if prefix else 0) is not None


def _violations(part: dict[str, Any], before: Pod) -> Iterator[str]:
    """The rules of the table above that are checked here; ``before`` is the pod that this is a part of, or was."""
    yield from _violations_of_metadata(part["metadata"], before)
    yield from _violations_of_spec(part["spec"])
    for container in (*part["spec"].get("initContainers", ()), *part["spec"]["containers"]):
        if "volumeMounts" in container or "env" in container:
            yield from _violations_of_container(container)


def _violations_of_metadata(metadata: dict[str, Any], before: Pod) -> Iterator[str]:
    present, annotations = before.labels, before.annotations
    changed = [(key, value) for key, value in metadata.get("labels", present).items() if present.get(key) != value]
    for key, value in changed:
        if not (is_label_value(value) and is_qualified_name(key)):
            yield f"label {key} has an invalid key or value"
    for key in metadata.get("annotations", annotations).keys() - annotations.keys():
        if not is_qualified_name(key):
            yield f"annotation {key} has an invalid key"


def _violations_of_container(container: dict[str, Any]) -> Iterator[str]:
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
    if paths and _has_twice([*paths, *{device["devicePath"] for device in container.get("volumeDevices", ())}]):
        yield f"container {container['name']} has a mountPath twice"
    # Nearly every name is an identifier, which is found out faster.
    names = [variable["name"] for variable in container.get("env", ())]
    if any(not (name.isidentifier() and name.isascii()) and not _VARIABLE.fullmatch(name) for name in names):
        yield f"container {container['name']} has a variable with an invalid name"


def _violations_of_spec(spec: dict[str, Any]) -> Iterator[str]:
    inits, containers = spec.get("initContainers", ()), spec["containers"]
    if not containers:
        yield "spec.containers: at least one is required"
    if _has_twice([container["name"] for container in (*inits, *containers)]):
        yield "two containers have the same name"
    if "volumes" in spec and _has_twice([volume["name"] for volume in spec["volumes"]]):
        yield "two volumes have the same name"
    for container in inits:
        if container.get("restartPolicy") != "Always" and not _ONLY_FOR_NATIVE_SIDECARS.isdisjoint(container):
            yield f"init container {container['name']} has a field for native sidecars only"


def _has_twice(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def annotations_are_full(entries: dict[str, str]) -> bool:
    """Whether the API server refuses so many annotations."""
    total = sum(map(len, entries)) + sum(map(len, entries.values()))
    # One character is one to four bytes: only a text that could be just too long is encoded to be counted.
    if total * 4 <= MAX_ANNOTATION_BYTES or total > MAX_ANNOTATION_BYTES:
        return total > MAX_ANNOTATION_BYTES
    return sum(len((key + value).encode("utf-8", "surrogatepass")) for key, value in entries.items()) > MAX_ANNOTATION_BYTES
