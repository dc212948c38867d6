"""Kubernetes Events on the pods of the reaper: Airflow's KubernetesPodOperator can show them in the log of a task that fails."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from webhook.kube.client import MERGE_PATCH
from webhook.kube.errors import refusal
from webhook.kube.reading import decode

if TYPE_CHECKING:
    from datetime import datetime

    from webhook.kube.client import Response
    from webhook.reaper.notice import Notice
    from webhook.reaper.task_pods import ApiWriter

COMPONENT: Final = "airflow-sidecar-webhook-reaper"

MAX_MESSAGE: Final = 1024
"""Characters of an Event's message (validation of events in the API server)."""

MAX_POD_NAME: Final = 230
"""Of the pod's name in that of its Event, which may have 253 characters. Each part between dots ends with a letter or digit."""

MOST_COUNTED: Final = 4096
"""Events whose count is remembered; with more, all are forgotten. The count of any other Event is read."""

NAMESPACE_ENDS: Final = b'"NamespaceTerminating"'
"""In the response of a namespace that is being deleted, in which nothing can be created (``NamespaceTerminatingCause``)."""


class _CountedEvent(msgspec.Struct):
    count: int | None = None


class PodEvents:
    """Writes Events. The same notice about the same pod is one Event, which counts how often it was given. Threads may share it.

    A notice of a kind that is given once is counted once, also where another replica has given it.
    """

    def __init__(self, api: ApiWriter, instance: str) -> None:
        """Use this API server; ``instance`` is the name of this replica."""
        self._api, self._instance = api, instance
        self._counts: dict[str, int] = {}

    def write(self, notice: Notice, now: datetime) -> None:
        """Create the Event, or count it once more where its kind is counted. ClusterError."""
        pod = notice.pod
        collection = f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/events"
        event = event_of(notice, self._instance, now)
        name = event["metadata"]["name"]
        response = self._api.request("POST", collection, event)
        if notice.kind.is_given_once and response.status == HTTPStatus.CONFLICT:
            return
        if response.is_success:
            self._remember(name, 1)
        elif response.status == HTTPStatus.CONFLICT:
            response = self._count(f"{collection}/{quote(name, safe='')}", name, event["lastTimestamp"])
        if not (response.is_success or _is_not_missed(response)):
            raise refusal(response.status, response.body)

    def _count(self, path: str, name: str, moment: str) -> Response:
        """Count an Event once more that is there. To read its count takes no right: the response to a patch has the whole Event."""
        count = self._counts.get(name)
        if count is None:
            response = self._api.request("PATCH", path, {"lastTimestamp": moment}, MERGE_PATCH)
            if not response.is_success:
                return response
            count = decode(response.body, _CountedEvent).count or 1
        self._remember(name, count + 1)
        return self._api.request("PATCH", path, {"count": count + 1, "lastTimestamp": moment}, MERGE_PATCH)

    def _remember(self, name: str, count: int) -> None:
        if len(self._counts) >= MOST_COUNTED and name not in self._counts:
            self._counts.clear()
        self._counts[name] = count


def _is_not_missed(response: Response) -> bool:
    """Whether an Event expires meanwhile, when somebody has had an hour to read it, or would be gone with its namespace."""
    is_ending = response.status == HTTPStatus.FORBIDDEN and NAMESPACE_ENDS in response.body
    return is_ending or response.status == HTTPStatus.NOT_FOUND


def event_of(notice: Notice, instance: str, now: datetime) -> dict[str, Any]:
    """The Event of a notice, of ``v1``: its name follows from the pod and the notice."""
    pod = notice.pod
    what = notice.kind if notice.kind.is_given_once else f"{notice.kind}\n{notice.note}"
    digest = hashlib.blake2s(f"{pod.uid}\n{what}".encode(), digest_size=8).hexdigest()
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod.name[:MAX_POD_NAME].rstrip('-.')}.{digest}", "namespace": pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "type": "Warning" if notice.kind.is_warning else "Normal",
        "reason": notice.kind,
        "message": notice.note[:MAX_MESSAGE],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
