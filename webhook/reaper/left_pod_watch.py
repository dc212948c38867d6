"""Follows the pods of a namespace that the webhook left and that have not started: there are few, and each is reported before it is stuck.

The watch of Running pods shows a pod when the operator that created it no longer shows Events of its start.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from webhook.core import TREATMENT_LABEL, Treatment, read_left_pod
from webhook.kube.reflector import Reflector
from webhook.reaper import notice
from webhook.reaper.task_pods import PODS_PAGE, pods_path, read_task_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import msgspec

    from webhook.core import Catalogue
    from webhook.kube.reading import ApiReader
    from webhook.kube.reflector import ObjectMetadata
    from webhook.reaper.notice import Notice

SELECTORS: Final = {"labelSelector": f"{TREATMENT_LABEL}={Treatment.LEFT}", "fieldSelector": "status.phase=Pending"}
"""Selects the pods: the API server sends nothing of any other one."""


class LeftPodListener(Protocol):
    """Is notified in the thread of the watch."""

    def pod_left(self, notice: Notice) -> None:
        """The webhook left a pod; once for each pod, unless a list has it twice."""

    def left_pods_read(self, namespace: str) -> None:
        """A list, or a part of a watch, was read."""

    def left_pods_failed(self, namespace: str, problem: Exception) -> None:
        """A list or a watch failed."""


class LeftPodWatch(Reflector):
    """The watch of one namespace, or of all."""

    def __init__(
        self,
        api: ApiReader,
        catalogue: Catalogue,
        namespace: str,
        listener: LeftPodListener,
        lists: AbstractContextManager[object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet; the arguments are those of `webhook.reaper.pod_watch.PodWatch`."""
        super().__init__(api, pods_path(namespace), SELECTORS, now, PODS_PAGE)
        self._namespace, self._listener, self._lists, self._catalogue = namespace, listener, lists, catalogue
        self._pending: set[str] = set()

    def take_list(self, items: Iterator[msgspec.Raw]) -> None:
        """See `Reflector`."""
        with self._lists:
            self._pending = set(filter(None, map(self._see, items)))

    def take_change(self, metadata: ObjectMetadata, data: msgspec.Raw) -> None:
        """See `Reflector`."""
        if metadata.uid not in self._pending and (uid := self._see(data)) is not None:
            self._pending.add(uid)

    def take_end(self, metadata: ObjectMetadata) -> None:
        """See `Reflector`."""
        self._pending.discard(metadata.uid)

    def was_read(self) -> None:
        """See `Reflector`."""
        self._listener.left_pods_read(self._namespace)

    def has_failed(self, problem: Exception) -> None:
        """See `Reflector`."""
        self._listener.left_pods_failed(self._namespace, problem)

    def _see(self, data: msgspec.Raw) -> str | None:
        """The uid of a task pod, of which there was a notice where it needs one; None: it is no task pod."""
        raw = bytes(data)
        pod = read_task_pod(raw, self._catalogue)
        if pod is None:
            return None
        left = read_left_pod(raw, self._catalogue)
        if left is not None and pod.uid not in self._pending and not pod.is_being_deleted:
            self._listener.pod_left(notice.of_left(pod, left))
        return pod.uid
