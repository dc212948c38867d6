"""Pods from a file: YAML or JSON, one, several documents, a list, or an AdmissionReview."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from webhook.core import API_VERSION, KIND, ReviewRequest, parse_review
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = "a Pod, a List or PodList of them, or an AdmissionReview, as YAML or JSON"


class PodFileError(Exception):
    """A file that holds no pods. The message names the file, the place in it, and what is allowed."""


def read_pods(name: str) -> list[dict[str, Any]]:
    """All pods of a file, ``-`` for stdin.

    Raises:
        PodFileError: It cannot be read, or holds something else.

    """
    shown = "stdin" if name == "-" else name
    try:
        text = (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode("utf-8")
        documents = _documents(text)
    except OSError as error:
        message = f"{shown}: cannot be read: {error.strerror}"
        raise PodFileError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        message = f"{shown}: is neither YAML nor JSON: {yaml_problem(error)}"
        raise PodFileError(message) from error
    pods = [
        pod
        for number, document in enumerate(documents)
        if document is not None
        for pod in _pods(document, f"{shown}: document {number + 1}")
    ]
    if not pods:
        message = f"{shown}: is empty; allowed is {ALLOWED}"
        raise PodFileError(message)
    return pods


def as_request(pod: dict[str, Any], namespace: str) -> ReviewRequest:
    """The pod as the API server would ask about it, through the same parser."""
    metadata = pod.get("metadata")
    place = metadata.get("namespace") if isinstance(metadata, dict) else None
    request = {
        "uid": "00000000-0000-0000-0000-000000000000",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": place if isinstance(place, str) else namespace,
        "object": pod,
    }
    return parse_review(msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "request": request}))


def _documents(text: str) -> list[Any]:
    """JSON where it is JSON, which is a hundred times faster; YAML in Python, since libyaml overflows the stack on deep nesting."""
    try:
        return [msgspec.json.decode(text)]
    except msgspec.DecodeError:
        return list(yaml.safe_load_all(text))


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
        message = f"{place}: {found}; allowed is {ALLOWED}"
        raise PodFileError(message)


def _items(items: list[Any], kind: str, place: str) -> Iterator[dict[str, Any]]:
    for number, item in enumerate(items):
        # The items of a PodList do not repeat their kind.
        whole = {"kind": "Pod", **item} if kind == "PodList" and isinstance(item, dict) else item
        yield from _pods(whole, f"{place}.items[{number}]")
