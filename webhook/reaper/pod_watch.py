"""Follows the Running task pods of a namespace: lists them, then watches them from there, like client-go's reflector."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from webhook.kube.backoff import Backoff
from webhook.kube.errors import UnreachableError
from webhook.kube.reading import decode, pages, watch
from webhook.reaper.task_pods import TaskPods, pods_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.core import Catalogue, Progress
    from webhook.kube.reading import ApiReader

RUNNING: Final = "status.phase=Running"
"""Selects the pods: to this watch a pod that has ended is one that was deleted, and thousands that ended long ago are not read."""

RESYNC_SECONDS: Final = 600.0
"""After so long the pods are listed again: what a watch has missed by somebody's fault is found."""

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""As in client-go's reflector."""


class PodListener(Protocol):
    """Is notified in the thread of the watch."""

    def pods_listed(self, namespace: str, pods: Iterable[Progress]) -> None:
        """These are the Running pods of the namespace whose task has ended."""

    def pod_seen(self, pod: Progress) -> None:
        """A Running task pod has changed."""

    def pod_gone(self, uid: str) -> None:
        """The pod of this uid no longer runs."""

    def pods_read(self, namespace: str) -> None:
        """A list, or a part of a watch, was read."""

    def pods_failed(self, namespace: str, problem: Exception) -> None:
        """A list or a watch failed."""


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _WatchedObject(msgspec.Struct):
    metadata: _Metadata


class PodWatch:
    """The watch of one namespace. Its thread is a daemon: a call that hangs does not keep the process from ending."""

    def __init__(
        self, api: ApiReader, catalogue: Catalogue, namespace: str, listener: PodListener, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Read nothing yet; ``now`` is a monotonic clock, in seconds."""
        self._api, self._namespace, self._listener, self._now = api, namespace, listener, now
        self._task_pods = TaskPods(api, catalogue)
        self._resource_version: str | None = None
        self._list_at = 0.0
        self._stopped = threading.Event()
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)

    def start(self) -> None:
        """Start."""
        threading.Thread(target=self._run, name=f"pods of {self._namespace}", daemon=True).start()

    def stop(self) -> None:
        """Read and notify no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self.run_once())

    def run_once(self) -> float:
        """List where that is needed, and watch until the watch ends; the seconds to wait before the next time."""
        try:
            self._follow()
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave the pods of its namespace unseen
            if not isinstance(problem, UnreachableError):
                # The resourceVersion is too old (410), or watching is forbidden: pods may have changed unseen. Or an event cannot be read,
                # and a watch from the same resourceVersion would receive it again and again.
                self._resource_version = None
            if not self._stopped.is_set():
                self._listener.pods_failed(self._namespace, problem)
            return self._backoff.pause()
        # Pause after a success as well: an API server that ends every watch at once must not be called in a loop.
        return FIRST_PAUSE_SECONDS / 2

    def _follow(self) -> None:
        path = pods_path(self._namespace)
        if self._resource_version is None or self._now() >= self._list_at:
            self._list(path)
        assert self._resource_version is not None  # noqa: S101  the list sets it
        for event in watch(self._api, path, self._resource_version, fieldSelector=RUNNING):
            if self._stopped.is_set():
                return
            if event is not None:
                self._take(event.type, event.object)
            self._listener.pods_read(self._namespace)
        self._backoff.reset()

    def _list(self, path: str) -> None:
        found: list[Progress] = []
        version = ""
        for page in pages(self._api, path, fieldSelector=RUNNING):
            version = page.metadata.resource_version
            pods = [self._task_pods.read(item) for item in page.items or ()]
            found += [pod for pod in pods if pod is not None and pod.unfinished]
        self._listener.pods_listed(self._namespace, found)
        self._listener.pods_read(self._namespace)
        self._resource_version, self._list_at = version, self._now() + RESYNC_SECONDS

    def _take(self, what: str, data: msgspec.Raw) -> None:
        metadata = decode(data, _WatchedObject).metadata
        pod = None if what in {"BOOKMARK", "DELETED"} else self._task_pods.read(data)
        if pod is not None:
            self._listener.pod_seen(pod)
        elif what == "DELETED":
            self._listener.pod_gone(metadata.uid)
        if metadata.resource_version != self._resource_version:
            # A watch that was accepted may still be refused by its first event, so the acceptance alone does not reset the back-off.
            self._backoff.reset()
        self._resource_version = metadata.resource_version
