"""The task pods of a cluster, as the reaper reads them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

import msgspec

from webhook.core import ENDED_PHASES, MalformedPodError, read_progress
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.pod_channels import PodConnector
from webhook.kube.reading import ApiReader, decode, pages, watch
from webhook.reaper.decision import ALL_NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Catalogue, Progress
    from webhook.kube.client import Response


PODS_PAGE: Final = 50
"""Pods in one response; usually they have some 20 KB each. Of 1.5 MiB, the most that etcd takes by default, a page has 75 MiB, and twice
that while its parts are joined. A pass has one page in memory at a time, and takes 76 MiB else: it fits into the 256 MiB of the chart."""


class ApiWriter(Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that writes."""

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Response:
        """The response to a request, whatever its status. UnreachableError."""


class PodApi(ApiReader, ApiWriter, PodConnector, Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that the reaper uses."""


def pods_path(namespace: str) -> str:
    """The path of the pods of a namespace, or of `ALL_NAMESPACES`, on the API server."""
    if namespace == ALL_NAMESPACES:
        return "/api/v1/pods"
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"


def pod_path(pod: Progress) -> str:
    """The path of a pod on the API server."""
    return f"{pods_path(pod.namespace)}/{quote(pod.name, safe='')}"


def running_pods(api: ApiReader, namespace: str) -> Iterator[msgspec.Raw]:
    """The Running pods of a namespace, not decoded, page by page; a pod may come twice, where a page has expired. ClusterError."""
    return _listed_again(api, namespace, fieldSelector="status.phase=Running")


def unended_pods(api: ApiReader, namespace: str) -> Iterator[msgspec.Raw]:
    """The same for pods that have not ended: one whose task has ended is Pending while another container cannot start. ClusterError."""
    return _listed_again(api, namespace, fieldSelector=",".join(f"status.phase!={phase}" for phase in sorted(ENDED_PHASES)))


def all_pods(api: ApiReader, namespace: str) -> Iterator[msgspec.Raw]:
    """The same for pods of every phase: Kubernetes has those that have ended until somebody deletes them. ClusterError."""
    return _listed_again(api, namespace)


def _listed_again(api: ApiReader, namespace: str, **selectors: str) -> Iterator[msgspec.Raw]:
    """From the first page once more where the API server no longer has a later one."""
    try:
        yield from _listed(api, namespace, **selectors)
    except RefusedError as error:
        if error.status != HTTPStatus.GONE:
            raise
        yield from _listed(api, namespace, **selectors)


def _listed(api: ApiReader, namespace: str, **selectors: str) -> Iterator[msgspec.Raw]:
    for page in pages(api, pods_path(namespace), PODS_PAGE, **selectors):
        yield from page.items or ()


def read_task_pod(data: bytes | msgspec.Raw, catalogue: Catalogue) -> Progress | None:
    """A pod as the API server returns it; None: it is no task pod."""
    try:
        return read_progress(bytes(data), catalogue)
    except MalformedPodError:
        # Of a type that this version does not know: nothing is known of it, so nothing is done about it.
        return None


class TaskPods:
    """Reads task pods; every other pod is left out."""

    def __init__(self, api: ApiReader, catalogue: Catalogue) -> None:
        """Read nothing yet."""
        self._api, self._read = api, partial(read_task_pod, catalogue=catalogue)

    def running(self, namespace: str) -> Iterator[Progress]:
        """The Running task pods of a namespace, page by page; a pod may come twice, where a page has expired. ClusterError."""
        # No variable for an item: it would hold its whole page until the next one has arrived.
        yield from filter(None, map(self._read, running_pods(self._api, namespace)))

    def again(self, pod: Progress) -> Progress | None:
        """The same pod as it is now; None: it is gone, whether or not there is another of its name. ClusterError."""
        try:
            body = self._api.get(pod_path(pod))
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return self._same(pod, decode(body, msgspec.Raw))

    def changed(self, pod: Progress, seconds: int) -> Progress | None:
        """The same pod after its next change, or after so many seconds; None: it is gone. ClusterError."""
        try:
            events = watch(self._api, pods_path(pod.namespace), pod.resource_version, seconds, fieldSelector=f"metadata.name={pod.name}")
            for event in events:
                if event is not None and event.type == "DELETED":
                    return None
                if event is not None and event.type != "BOOKMARK":
                    return self._same(pod, event.object)
        except UnreachableError:
            # The watch broke off: what has happened meanwhile is read below.
            pass
        except RefusedError as error:
            if error.status != HTTPStatus.GONE:
                raise
        return self.again(pod)

    def _same(self, pod: Progress, data: bytes | msgspec.Raw) -> Progress | None:
        progress = self._read(data)
        return progress if progress is not None and progress.uid == pod.uid else None
