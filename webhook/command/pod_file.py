"""Pods from a file: YAML or JSON, one, several documents, a list, or an AdmissionReview."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from webhook.command.errors import UnusableError
from webhook.command.yaml_documents import yaml_documents
from webhook.core import KIND
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

ALLOWED = "a Pod, a List or PodList of Pods, or an AdmissionReview, as YAML or JSON"

DEFAULT_NAMESPACE: Final = "default"
"""The API server's own default."""


def add_pod_arguments(parser: ArgumentParser, or_else: str = "", count: str | None = None) -> None:
    """Add the arguments that name the file and the namespace.

    Args:
        parser: The command's.
        or_else: What else may be named instead of a file, for people.
        count: How many, as argparse takes it; None: one.

    """
    more = f"; {or_else}" if or_else else ""
    parser.add_argument("file", metavar="FILE", nargs=count, help=f"{ALLOWED}; - is stdin{more}")
    parser.add_argument("-n", "--namespace", help=f"namespace of pods that name none (default: {DEFAULT_NAMESPACE})")


def full_name(pod: dict[str, Any], namespace: str) -> str:
    """Namespace and name of a pod, ``namespace`` where it names none; its fields may have any type."""
    metadata = pod.get("metadata")
    named = {key: text for key, text in metadata.items() if isinstance(text, str)} if isinstance(metadata, dict) else {}
    name = named.get("name") or named.get("generateName") or "(no name)"
    return f"{named.get('namespace', namespace)}/{name}"


def read_pods(name: str) -> list[dict[str, Any]]:
    """All pods of a file, ``-`` for stdin. UnusableError: it cannot be read, or holds something else; the message says where."""
    shown = "stdin" if name == "-" else name
    try:
        text = (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode("utf-8")
        documents = _documents(text)
    except OSError as error:
        message = f"{shown}: cannot be read: {error.strerror}"
        raise UnusableError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        message = f"{shown}: cannot be read as YAML or JSON: {yaml_problem(error)}"
        raise UnusableError(message) from error
    pods = [
        pod
        for number, document in enumerate(documents)
        if document is not None
        for pod in _pods(document, f"{shown}: document {number + 1}")
    ]
    if not pods:
        message = f"{shown}: is empty; allowed are {ALLOWED}"
        raise UnusableError(message)
    return pods


def _documents(text: str) -> list[Any]:
    """JSON is tried first: it is a hundred times faster."""
    try:
        return [msgspec.json.decode(text)]
    except msgspec.DecodeError:
        return yaml_documents(text)


def _pods(document: object, place: str) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        for number, item in enumerate(document):
            yield from _pods(item, f"{place}[{number}]")
        return
    kind = document.get("kind") if isinstance(document, dict) else None
    if isinstance(document, dict) and kind == "Pod":
        yield document
    elif isinstance(document, dict) and kind in {"List", "PodList"} and isinstance(document.get("items"), list):
        yield from _items(document["items"], str(kind), place)
    elif isinstance(document, dict) and kind == KIND and isinstance(document.get("request"), dict):
        yield from _pods(document["request"].get("object"), f"{place}.request.object")
    else:
        found = f"kind is {kind}" if kind else "there is no kind"
        message = f"{place}: {found}; allowed are {ALLOWED}"
        raise UnusableError(message)


def _items(items: list[Any], kind: str, place: str) -> Iterator[dict[str, Any]]:
    for number, item in enumerate(items):
        # The items of a PodList do not repeat their kind.
        whole = {"kind": "Pod", **item} if kind == "PodList" and isinstance(item, dict) else item
        yield from _pods(whole, f"{place}.items[{number}]")
