"""Follows the Running task pods of a namespace: lists them, then watches them from there, like client-go's reflector.

Most events are about pods whose task still runs, and need no decision. So an event is decoded as a pod only where a container has ended,
and the listener is notified of pods whose task has ended, and of their later changes.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from webhook.kube.reflector import Reflector
from webhook.reaper.task_pods import PODS_PAGE, pods_path, read_task_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    import msgspec

    from webhook.core import Catalogue, Progress
    from webhook.kube.reading import ApiReader
    from webhook.kube.reflector import ObjectMetadata

RUNNING: Final = "status.phase=Running"
"""Selects the pods: to this watch a pod that has ended is one that was deleted, and thousands that ended long ago are not read."""

LISTS_AT_ONCE: Final = 2
"""Of all namespaces: a page may have as much as `PODS_PAGE` says, and at the start every namespace is listed."""

HAS_ENDED: Final = b'"terminated"'
"""In the JSON of every pod of which a container has ended, now or before its last restart: the name of that state."""


class PodListener(Protocol):
    """Is notified in the thread of the watch."""

    def pods_listed(self, namespace: str, pods: Iterable[Progress]) -> None:
        """These are the Running pods of the namespace whose task has ended, or had when they were seen before."""

    def pod_seen(self, pod: Progress) -> None:
        """A Running task pod has changed: its task has ended, or had when it was seen before."""

    def pod_gone(self, uid: str) -> None:
        """The pod of this uid, which was listed or seen, no longer runs."""

    def pods_read(self, namespace: str) -> None:
        """A list, or a part of a watch, was read."""

    def pods_failed(self, namespace: str, problem: Exception) -> None:
        """A list or a watch failed."""


class PodWatch(Reflector):
    """The watch of one namespace, or of all."""

    def __init__(
        self,
        api: ApiReader,
        catalogue: Catalogue,
        namespace: str,
        listener: PodListener,
        lists: AbstractContextManager[object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            api: The API server.
            catalogue: The known sidecars.
            namespace: Of the pods, or `webhook.reaper.decision.ALL_NAMESPACES`.
            listener: Is notified.
            lists: Held during a list: `LISTS_AT_ONCE` watches may hold it.
            now: A monotonic clock, in seconds.

        """
        super().__init__(api, pods_path(namespace), {"fieldSelector": RUNNING}, now, PODS_PAGE)
        self._namespace, self._listener, self._lists = namespace, listener, lists
        self._read = partial(read_task_pod, catalogue=catalogue)
        self._ended: set[str] = set()

    def take_list(self, items: Iterator[msgspec.Raw]) -> None:
        """See `Reflector`."""
        with self._lists:
            pods = map(self._read, items)
            found = [pod for pod in pods if pod is not None and (pod.unfinished or pod.uid in self._ended)]
        self._ended = {pod.uid for pod in found}
        self._listener.pods_listed(self._namespace, found)

    def take_change(self, metadata: ObjectMetadata, data: msgspec.Raw) -> None:
        """See `Reflector`."""
        is_known, raw = metadata.uid in self._ended, bytes(data)
        pod = self._read(raw) if is_known or HAS_ENDED in raw else None
        if pod is not None and (is_known or pod.unfinished):
            self._ended.add(pod.uid)
            self._listener.pod_seen(pod)

    def take_end(self, metadata: ObjectMetadata) -> None:
        """See `Reflector`."""
        if metadata.uid in self._ended:
            self._ended.remove(metadata.uid)
            self._listener.pod_gone(metadata.uid)

    def was_read(self) -> None:
        """See `Reflector`."""
        self._listener.pods_read(self._namespace)

    def has_failed(self, problem: Exception) -> None:
        """See `Reflector`."""
        self._listener.pods_failed(self._namespace, problem)
