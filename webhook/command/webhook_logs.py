"""The last log lines of the webhook's own pods, and of its reaper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from webhook.command.errors import UnusableError
from webhook.core import PREFIX
from webhook.kube.errors import ClusterError, UnreachableError
from webhook.kube.reading import decode, pages
from webhook.reaper.task_pods import pods_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.kube.reading import ApiReader

SELECTOR: Final = f"app.kubernetes.io/part-of={PREFIX}"
"""The label of all pods of the chart, whatever its values (templates/_helpers.tpl)."""

LINES: Final = 5000
BYTES: Final = 4 * 1024 * 1024
"""Of the end of each log. The API server's own ``limitBytes`` would cut off the end of these lines."""


class NoWebhookPodsError(UnusableError):
    """There is no pod of the webhook."""


class UnreadLogError(UnusableError):
    """The log of one container cannot be read."""


class _OwnName(msgspec.Struct):
    name: str


class _OwnSpec(msgspec.Struct):
    containers: tuple[_OwnName, ...]


class _OwnPod(msgspec.Struct):
    metadata: _OwnName
    spec: _OwnSpec


def read_logs(api: ApiReader, namespace: str) -> Iterator[str | UnreadLogError]:
    """The end of the log of each container of each pod, or why that one cannot be read.

    Raises:
        NoWebhookPodsError: The namespace has no such pod.
        UnusableError: The pods cannot be listed, or the API server no longer responds.

    """
    try:
        pods = [decode(item, _OwnPod) for page in pages(api, pods_path(namespace), labelSelector=SELECTOR) for item in page.items or ()]
        if not pods:
            message = f"the namespace {namespace} has no pod of the webhook ({SELECTOR}); name its namespace with --webhook-namespace"
            raise NoWebhookPodsError(message)
        for pod in pods:
            for container in pod.spec.containers:
                yield _read_log(api, namespace, pod.metadata.name, container.name)
    except ClusterError as error:
        message = f"the logs of the webhook in the namespace {namespace} cannot be read: {error}"
        raise UnusableError(message) from error


def _read_log(api: ApiReader, namespace: str, pod: str, container: str) -> str | UnreadLogError:
    """UnreachableError."""
    try:
        data = api.get(f"{pods_path(namespace)}/{quote(pod, safe='')}/log", container=container, tailLines=str(LINES))
    except UnreachableError:
        raise
    except ClusterError as error:
        return UnreadLogError(f"container {container} of pod/{pod}: {error}")
    return _end(data).decode("utf-8", "replace")


def _end(data: bytes) -> bytes:
    """The last whole lines of at most so many bytes."""
    return data if len(data) <= BYTES else data[-BYTES:].partition(b"\n")[2]
