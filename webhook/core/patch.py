"""JSON Patch operations (RFC 6902), written by hand for the places that change, and proved before they leave.

A patch that does not apply rejects the pod even under ``failurePolicy: Ignore`` (apiserver mutating/dispatcher.go), so every patch is
applied here first. It is applied to the part of the pod that the rules read, which holds every place an operation of ours can name:
what lies outside can neither make it fail nor be changed by it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict

import jsonpatch

from webhook.core.errors import UnsoundPatchError
from webhook.core.short_name import is_label_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.core.pod import Container, Pod

MAX_ANNOTATION_BYTES: Final = 256 * 1024
"""All keys and values together: TotalAnnotationSizeLimitB in apimachinery pkg/api/validation/objectmeta.go."""


class Operation(TypedDict):
    """One operation."""

    op: Literal["add", "remove"]
    path: str
    value: NotRequired[Any]


def pointer(*tokens: str | int) -> str:
    """A JSON Pointer (RFC 6901): ``~`` and ``/`` in a token are escaped."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def add(value: object, *tokens: str | int) -> Operation:
    """Set a member, or insert before an index; its parent must be there."""
    return {"op": "add", "path": pointer(*tokens), "value": value}


def remove(*tokens: str | int) -> Operation:
    """Take away something that is there."""
    return {"op": "remove", "path": pointer(*tokens)}


def add_entries(wanted: Mapping[str, str], present: Mapping[str, str] | None, *tokens: str | int) -> Iterator[Operation]:
    """Set entries of a mapping that may be absent or null; entries that are so already are left alone."""
    missing = {key: value for key, value in wanted.items() if present is None or present.get(key) != value}
    if missing and not present:
        yield add(missing, *tokens)
        return
    for key, value in missing.items():
        yield add(value, *tokens, key)


def add_items(wanted: list[dict[str, Any]], present: list[Any] | None, *tokens: str | int) -> Iterator[Operation]:
    """Append to a list that may be absent or null."""
    if wanted and not present:
        yield add(wanted, *tokens)
        return
    for item in wanted:
        yield add(item, *tokens, "-")


def prove(pod: Pod, operations: tuple[Operation, ...]) -> None:
    """Apply the operations and check the result against what the API server would refuse.

    Raises:
        UnsoundPatchError: They do not apply, or the pod would be invalid in a way it was not before.

    """
    after = _part(pod, operations)
    try:
        for operation in operations:
            after = _applicable(operation).apply(after)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as problem:
        message = f"the patch does not apply: {type(problem).__name__}"
        raise UnsoundPatchError(message) from problem
    violations = set(_violations(after, pod.labels))
    if violations:
        violations -= set(_violations(_part(pod, ()), pod.labels))
    if violations:
        message = f"the patch makes the pod invalid: {'; '.join(sorted(violations))}"
        raise UnsoundPatchError(message)


def _applicable(operation: Operation) -> jsonpatch.PatchOperation:
    """The operation as `jsonpatch` applies it. Parsing pointers is half of its work, and the same few come again and again."""
    located = {**operation, "path": _parsed(operation["path"])}
    if operation["op"] == "remove":
        return jsonpatch.RemoveOperation(located)
    if isinstance(operation["value"], list):
        located["value"] = _Words(operation["value"])
    return jsonpatch.AddOperation(located)


@lru_cache(maxsize=256)
def _parsed(path: str) -> jsonpatch.JsonPointer:
    return jsonpatch.JsonPointer(path)


class _Words(list[Any]):
    """A list that no operation of ours changes any more, so that `jsonpatch`'s copy of each value may be itself."""

    def __deepcopy__(self, _memo: object) -> _Words:
        return self


def _part(pod: Pod, operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The part of the pod that operations of ours can name, and that they can break; null and absent are the same to ``add``."""
    metadata, spec = pod.metadata, pod.spec
    mounts = any("/volumeMounts" in operation["path"] for operation in operations)
    containers = _with_mounts if mounts else _container
    return {
        "metadata": _present(labels=dict(metadata.labels or ()) or None, annotations=dict(metadata.annotations or ()) or None),
        "spec": _present(
            containers=[containers(container) for container in spec.containers],
            initContainers=[_container(container) for container in spec.initContainers or ()] or None,
            volumes=[{"name": volume.name} for volume in spec.volumes or ()] or None,
        ),
    }


def _container(container: Container) -> dict[str, Any]:
    return _present(name=container.name, command=container.command, restartPolicy=container.restartPolicy)


def _with_mounts(container: Container) -> dict[str, Any]:
    return _present(**_container(container), volumeMounts=[{"name": mount.name} for mount in container.mounts] or None)


def _present(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


_ONLY_FOR_NATIVE_SIDECARS: Final = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def _violations(pod: dict[str, Any], labels_before: dict[str, str]) -> Iterator[str]:
    """What kubernetes pkg/apis/core/validation/validation.go refuses of the things an operation of ours can bring about."""
    spec, metadata = pod["spec"], pod["metadata"]
    inits, containers, volumes = (spec.get(key) or [] for key in ("initContainers", "containers", "volumes"))
    if not containers:
        yield "spec.containers: at least one is required"
    if len({container["name"] for container in (*inits, *containers)}) < len(inits) + len(containers):
        yield "a name of a container stands twice"
    if len({volume["name"] for volume in volumes}) < len(volumes):
        yield "a name of a volume stands twice"
    for container in inits:
        if container.get("restartPolicy") != "Always" and any(field in container for field in _ONLY_FOR_NATIVE_SIDECARS):
            yield f"init container {container['name']} has a field for native sidecars only"
    for key, value in (metadata.get("labels") or {}).items():
        if labels_before.get(key) != value and not is_label_value(value):
            yield f"the value of label {key} is not valid"
    if _bytes(metadata.get("annotations") or {}) > MAX_ANNOTATION_BYTES:
        yield "the annotations are over 256 KiB"


def _bytes(entries: dict[str, str]) -> int:
    total = sum(len(key) + len(value) for key, value in entries.items())
    # One character is at most four bytes: only a text that could be too long is encoded to be counted.
    if total * 4 <= MAX_ANNOTATION_BYTES:
        return total
    return sum(len((key + value).encode("utf-8", "surrogatepass")) for key, value in entries.items())
