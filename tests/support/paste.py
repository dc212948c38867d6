"""Pastes the line of a remedy into a pod as its user would, from what is printed and nothing else."""

from __future__ import annotations

import copy
import json
import re
import shlex
from typing import TYPE_CHECKING, Final

import yaml

from webhook.core import ContainerReason, LinePlace

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Remedy

ANSWERS: Final = {"ENTRYPOINT": '["/bin/sh", "-c", "exec \\"$@\\"", "--"]', "PORT": "9091", "PATH": "/quit"}
"""What a user writes in the place of each word in capital letters."""

MERGE_KEYS: Final = {"containers": "name", "ports": "containerPort"}
"""Lists whose elements a strategic merge patch merges by this member (patchMergeKey in k8s.io/api core/v1)."""

_BLANK: Final = re.compile(r"\b(ENTRYPOINT|PORT|PATH)\b")
_FIRST_CANDIDATE: Final = re.compile(r"CONTAINER is one of ([-a-z0-9]+)")


def pasted(pod: JSONObject, remedy: Remedy) -> JSONObject:
    """A copy of the pod with the line in its place; a line for the webhook's settings is in no pod."""
    after = copy.deepcopy(pod)
    line = _BLANK.sub(lambda found: ANSWERS[found.group()], remedy.line.replace('"PORT"', "PORT"))
    for name in _FIRST_CANDIDATE.findall(remedy.text):
        line = line.replace("CONTAINER", name)
    if remedy.reason == ContainerReason.CANNOT_BE_ENDED:
        # The injector of the pod's next creation leaves it as it is.
        after["spec"]["containers"] = [one for one in after["spec"]["containers"] if one["name"] not in remedy.containers]
    match remedy.place:
        case LinePlace.ANNOTATIONS | LinePlace.LABELS:
            place = after["metadata"].setdefault(remedy.place.value, None) or {}
            after["metadata"][remedy.place.value] = place | yaml.safe_load(line)
        case LinePlace.SPEC:
            after["spec"] |= yaml.safe_load(line)
        case LinePlace.CONTAINER:
            _container(after, remedy).update(yaml.safe_load(line))
        case LinePlace.ARGS | LinePlace.ENV:
            container = _container(after, remedy)
            container[remedy.place.value] = [*(container.get(remedy.place.value) or ()), yaml.safe_load(line)]
        case LinePlace.MANIFEST:
            after = without(after, removal_of(line))
        case LinePlace.SPARK_CONF:
            role = after["metadata"]["labels"]["spark-role"]
            after["metadata"]["labels"] |= dict(re.findall(rf"--conf spark\.kubernetes\.{role}\.label\.(\S+)=(\S+)", line))
        case _:
            message = f"no line for a pod: {remedy}"
            raise AssertionError(message)
    return after


def removal_of(line: str) -> JSONObject:
    """The patch that kubectl gets from a line."""
    words = shlex.split(line)
    assert words[:3] == ["kubectl", "patch", "--local"]
    (patch,) = [word.removeprefix("--patch=") for word in words if word.startswith("--patch=")]
    removal: JSONObject = json.loads(patch)
    return removal


def without(value: JSONObject, removal: JSONObject) -> JSONObject:
    """What such a strategic merge patch leaves; tests/e2e/api_server/test_remedies.py compares it with kubectl's own."""
    after = dict(value)
    for key, change in removal.items():
        if change is None:
            after.pop(key, None)
        elif isinstance(change, dict):
            after[key] = without(after[key], change)
        elif key in MERGE_KEYS:
            changes = {one[MERGE_KEYS[key]]: one for one in change}
            after[key] = [without(one, changes.get(one[MERGE_KEYS[key]], {})) for one in after[key]]
        else:
            after[key] = change
    return after


def _container(pod: JSONObject, remedy: Remedy) -> JSONObject:
    """The container that the remedy is about, else the first."""
    containers: list[JSONObject] = pod["spec"]["containers"]
    return next((one for one in containers if one["name"] in remedy.containers), containers[0])
