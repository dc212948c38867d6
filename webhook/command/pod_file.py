"""Pods from files: YAML or JSON, one or several documents, lists, AdmissionReviews, and the pod templates of workloads.

A document of another kind is skipped and named: manifests mix kinds.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import msgspec
import yaml

from webhook.command.errors import UnusableError
from webhook.command.yaml_documents import yaml_documents
from webhook.core import KIND
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALLOWED: Final = (
    "a Pod, a List of Pods, an AdmissionReview, a workload with a pod template (Job, CronJob, Deployment, PodTemplate, ...), "
    "or a ConfigMap with Airflow's pod template, as YAML or JSON"
)

DEFAULT_NAMESPACE: Final = "default"
"""The API server's own default."""

STDIN: Final = "-"

MAX_BYTES: Final = 2**30
"""Of a file: more than the pods of a large cluster need as JSON. A device like /dev/zero has no end."""

CHUNK_BYTES: Final = 2**20

ENDINGS: Final = frozenset({".yaml", ".yml", ".json"})
"""Of the files of a folder that are read, as kubectl has them."""

TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "PodTemplate": ("template",),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}
"""Where the pod template of a workload is, by kind."""

TEMPLATE_KEYS: Final = ("pod_template_file.yaml", "pod_template.yaml")
"""Keys of a ConfigMap: of Airflow's chart (templates/configmaps/configmap.yaml), and of the community's (its pod-template Secret)."""


class FoundPod(msgspec.Struct, frozen=True):
    """A pod, or the pod that a template makes.

    Args:
        pod: The pod.
        place: File and document.
        template_of: The object whose template it is, like ``Job migrate``; empty: it is a Pod itself.
        is_for_airflow: Whether Airflow may use it as a pod template: a Pod or a PodTemplate, of a file or of a ConfigMap.

    """

    pod: dict[str, Any]
    place: str
    template_of: str = ""
    is_for_airflow: bool = True


class _LargeList(msgspec.Struct):
    """A list in JSON, as kubectl prints it."""

    kind: Literal["List", "PodList"]
    items: list[msgspec.Raw]


_LARGE_LIST: Final = msgspec.json.Decoder(_LargeList)


class SkippedDocument(msgspec.Struct, frozen=True):
    """A document without a pod.

    Args:
        place: File and document.
        why: Why it is skipped.

    """

    place: str
    why: str

    def __str__(self) -> str:
        """The line that names it."""
        return f"{self.place}: skipped, {self.why}"


def full_name(pod: dict[str, Any], namespace: str) -> str:
    """Namespace and name of a pod, ``namespace`` where it names none; its fields may have any type."""
    metadata = _texts(pod.get("metadata"))
    name = metadata.get("name") or metadata.get("generateName") or "(no name)"
    return f"{metadata.get('namespace', namespace)}/{name}"


def read_files(names: Iterable[str]) -> Iterator[FoundPod | SkippedDocument]:
    """Everything in these files and folders (with their subfolders), ``-`` for stdin.

    Raises:
        UnusableError: A file that is named cannot be read; the message says where. A file of a folder is skipped then.

    """
    for name in names:
        folder = Path(name)
        if name != STDIN and folder.is_dir():
            for path in sorted(one for one in folder.rglob("*") if one.suffix in ENDINGS and one.is_file()):
                try:
                    yield from _file(str(path))
                except UnusableError as problem:
                    yield SkippedDocument(str(path), str(problem).removeprefix(f"{path}: "))
        else:
            yield from _file(name)


def read_one_pod(name: str) -> dict[str, Any]:
    """The one pod of a file, ``-`` for stdin. UnusableError: it cannot be read, or holds none or several."""
    found, shown = list(read_files([name])), _shown(name)
    pods = [one.pod for one in found if isinstance(one, FoundPod)]
    if len(pods) == 1:
        return pods[0]
    if pods:
        message = f"{shown}: holds {len(pods)} pods; patch takes one, explain -o json takes any number"
        raise UnusableError(message)
    raise no_pod([name], [one for one in found if isinstance(one, SkippedDocument)])


def no_pod(names: Iterable[str], skipped: Iterable[SkippedDocument]) -> UnusableError:
    """The error of files without any pod."""
    return UnusableError("\n".join([*map(str, skipped), f"{' '.join(map(_shown, names))}: there is no pod; allowed are {ALLOWED}"]))


def _file(name: str) -> Iterator[FoundPod | SkippedDocument]:
    shown, is_empty = _shown(name), True
    for number, document in enumerate(_documents_of(name)):
        if document is not None:
            is_empty = False
            yield from _pods(document, f"{shown}: document {number + 1}")
    if is_empty:
        message = f"{shown}: is empty; allowed are {ALLOWED}"
        raise UnusableError(message)


def _documents_of(name: str) -> Iterator[Any]:
    """The documents of a file, of which no two need be stored at a time. UnusableError."""
    shown = _shown(name)
    try:
        yield from _documents(_bytes_of(name))
    except OSError as error:
        message = f"{shown}: cannot be read: {error.strerror}"
        raise UnusableError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        message = f"{shown}: cannot be read as YAML or JSON: {yaml_problem(error)}"
        raise UnusableError(message) from error


def _bytes_of(name: str) -> bytes:
    """What a file holds. OSError; UnusableError: more than MAX_BYTES."""
    if name == STDIN:
        return _limited(sys.stdin.buffer, name)
    with Path(name).open("rb") as file:
        return _limited(file, name)


def _limited(file: BinaryIO, name: str) -> bytes:
    data = BytesIO()
    while chunk := file.read(CHUNK_BYTES):
        data.write(chunk)
        if data.tell() > MAX_BYTES:
            message = f"{_shown(name)}: is larger than {MAX_BYTES} bytes; give fewer pods at a time"
            raise UnusableError(message)
    return data.getvalue()


def _shown(name: str) -> str:
    return "stdin" if name == STDIN else name


def _documents(data: bytes) -> Iterable[Any]:
    """JSON is tried first: it is ten times as fast. The items of a list are not decoded yet: there may be many."""
    try:
        return [_LARGE_LIST.decode(data)]
    except msgspec.ValidationError:
        return [msgspec.json.decode(data)]
    except msgspec.DecodeError:
        return yaml_documents(data.decode("utf-8"))


def _pods(document: object, place: str) -> Iterator[FoundPod | SkippedDocument]:
    if isinstance(document, _LargeList):
        yield from _items(document.items, document.kind.removesuffix("List"), place)
    elif isinstance(document, list):
        for number, item in enumerate(document):
            yield from _pods(item, f"{place}[{number}]")
    elif isinstance(document, dict):
        yield from _of_object(document, str(document.get("kind") or ""), place)
    else:
        yield SkippedDocument(place, "it is no object")


def _of_object(document: dict[str, Any], kind: str, place: str) -> Iterator[FoundPod | SkippedDocument]:
    if kind == "Pod":
        yield FoundPod(document, place)
    elif kind.endswith("List") and isinstance(document.get("items") or [], list):
        yield from _items(document.get("items") or [], kind.removesuffix("List"), place)
    elif kind == KIND and isinstance(document.get("request"), dict):
        yield from _pods(document["request"].get("object"), f"{place}.request.object")
    elif kind in TEMPLATES:
        yield _templated(document, kind, place)
    elif kind == "ConfigMap":
        yield from _of_config_map(document, place)
    else:
        yield SkippedDocument(place, f"kind is {kind}" if kind else "there is no kind")


def _items(items: list[Any], kind: str, place: str) -> Iterator[FoundPod | SkippedDocument]:
    for number, given in enumerate(items):
        try:
            item = msgspec.json.decode(given) if isinstance(given, msgspec.Raw) else given
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield SkippedDocument(f"{place}.items[{number}]", f"it cannot be read as JSON: {yaml_problem(error)}")
            continue
        # The items of a PodList do not repeat their kind.
        whole = {"kind": kind, **item} if kind and isinstance(item, dict) else item
        yield from _pods(whole, f"{place}.items[{number}]")


def _templated(workload: dict[str, Any], kind: str, place: str) -> FoundPod | SkippedDocument:
    """The pod that the workload's controller makes, with the workload's name before the generated part of its own."""
    template: Any = workload
    for member in TEMPLATES[kind]:
        template = template.get(member) if isinstance(template, dict) else None
    if not isinstance(template, dict):
        return SkippedDocument(place, f"the {kind} has no {'.'.join(TEMPLATES[kind])}")
    own, metadata = _texts(workload.get("metadata")), template.get("metadata")
    named = {"generateName": f"{own['name']}-"} if "name" in own else {}
    placed = {"namespace": own["namespace"]} if "namespace" in own else {}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        **template,
        "metadata": {**named, **placed, **(metadata if isinstance(metadata, dict) else {})},
    }
    return FoundPod(pod, place, f"{kind} {own.get('name', '(no name)')}", is_for_airflow=kind == "PodTemplate")


def _of_config_map(config_map: dict[str, Any], place: str) -> Iterator[FoundPod | SkippedDocument]:
    own, data = _texts(config_map.get("metadata")), _texts(config_map.get("data"))
    templates = [key for key in TEMPLATE_KEYS if key in data]
    if not templates:
        yield SkippedDocument(place, f"the ConfigMap has no {' or '.join(TEMPLATE_KEYS)}")
    for key in templates:
        for pod in _in_text(data[key], f"{place}.data[{key}]"):
            yield pod if isinstance(pod, SkippedDocument) else _of_airflow(pod, own)


def _in_text(text: str, place: str) -> Iterator[FoundPod | SkippedDocument]:
    try:
        documents = list(yaml_documents(text))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        yield SkippedDocument(place, f"it cannot be read as YAML: {yaml_problem(error)}")
        return
    yield from _pods(documents, place)


def _of_airflow(found: FoundPod, config_map: dict[str, str]) -> FoundPod:
    metadata = found.pod.get("metadata")
    placed = {"namespace": config_map["namespace"]} if "namespace" in config_map else {}
    pod = {**found.pod, "metadata": {**placed, **(metadata if isinstance(metadata, dict) else {})}}
    return FoundPod(pod, found.place, f"ConfigMap {config_map.get('name', '(no name)')}")


def _texts(value: object) -> dict[str, str]:
    """The members of an object that are texts; its fields may have any type."""
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
