"""Sends the fixtures' pods to a real API server, and makes two of its answers comparable."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject


RELEASE: Final = "RELEASE-NAME"
"""What `helm template` calls a release that was given no name. Kubernetes allows no capitals in the name of an object."""

OF_ONE_CREATION: Final = frozenset({"uid", "creationTimestamp", "managedFields", "namespace", "resourceVersion"})
"""Metadata that differ between two creations of one pod."""


def submission(pod: JSONObject, namespace: str) -> JSONObject:
    """The pod with this namespace; everything else is as the real client sent it."""
    sent: JSONObject = json.loads(json.dumps(pod).replace(RELEASE, RELEASE.lower()))
    sent["metadata"]["namespace"] = namespace
    return sent


def stored(api: ApiClient, pod: JSONObject, namespace: str) -> JSONObject:
    """The pod that the API server would store for one of the fixtures. ApiError: it refuses the pod, or a field is unknown to it."""
    return comparable(api.create(submission(pod, namespace), dryRun="All", fieldValidation="Strict"))


def comparable(pod: JSONObject) -> JSONObject:
    """The pod without what differs between two creations of it."""
    same = copy.deepcopy(pod)
    metadata = same["metadata"]
    for field in OF_ONE_CREATION:
        metadata.pop(field, None)
    if "generateName" in metadata and metadata["name"].startswith(metadata["generateName"]):
        del metadata["name"]
    return same
