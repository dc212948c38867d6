"""Kubernetes Events on the pods of the reaper: Airflow's KubernetesPodOperator shows them in the log of the task."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from webhook.kube.client import MERGE_PATCH
from webhook.kube.errors import refusal

if TYPE_CHECKING:
    from datetime import datetime

    from webhook.reaper.notice import Notice
    from webhook.reaper.task_pods import ApiWriter

COMPONENT: Final = "airflow-sidecar-webhook-reaper"

MAX_MESSAGE: Final = 1024
"""Characters of an Event's message (validation of events in the API server)."""

MAX_POD_NAME: Final = 230
"""Of the pod's name in that of its Event, which may have 253 characters. Each part between dots ends with a letter or digit."""

MOST_COUNTED: Final = 4096
"""Events whose number is remembered: then it begins anew, and an Event that is there counts 2."""


class PodEvents:
    """Writes Events. The same notice about the same pod is one Event, which counts how often it was given. Threads may share it."""

    def __init__(self, api: ApiWriter, instance: str) -> None:
        """Use this API server; ``instance`` is the name of this replica."""
        self._api, self._instance = api, instance
        self._counts: dict[str, int] = {}

    def write(self, notice: Notice, now: datetime) -> None:
        """Create the Event, or count it once more. ClusterError."""
        pod = notice.pod
        collection = f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/events"
        event = event_of(notice, self._instance, now)
        name = event["metadata"]["name"]
        response = self._api.request("POST", collection, event)
        if response.status == HTTPStatus.CONFLICT:
            if len(self._counts) >= MOST_COUNTED:
                self._counts.clear()
            self._counts[name] = count = self._counts.get(name, 1) + 1
            again = {"count": count, "lastTimestamp": event["lastTimestamp"]}
            response = self._api.request("PATCH", f"{collection}/{quote(name, safe='')}", again, MERGE_PATCH)
        # An Event that expires meanwhile is not missed: somebody has had an hour to read it.
        if not response.is_success and response.status != HTTPStatus.NOT_FOUND:
            raise refusal(response.status, response.body)


def event_of(notice: Notice, instance: str, now: datetime) -> dict[str, Any]:
    """The Event of a notice, of ``v1``: its name follows from the pod and the notice."""
    pod = notice.pod
    digest = hashlib.blake2s(f"{pod.uid}\n{notice.kind}\n{notice.note}".encode(), digest_size=8).hexdigest()
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
