"""Follows a collection of the Kubernetes API: lists it, then watches it from there, like client-go's reflector."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.kube.backoff import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Backoff
from webhook.kube.errors import UnreachableError
from webhook.kube.reading import PAGE, WATCH_SECONDS, decode, pages, watch
from webhook.kube.repeating_thread import RepeatingThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from webhook.kube.reading import ApiReader

RESYNC_SECONDS: Final = 600.0
"""How long a list is relied on where a missed event would do harm: what a watch has missed by somebody's fault is found by the next one."""


class ObjectMetadata(msgspec.Struct, rename="camel"):
    """What is read of every object; of a bookmark the resourceVersion alone."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""


class _AnyObject(msgspec.Struct):
    metadata: ObjectMetadata


def metadata_of(data: msgspec.Raw) -> ObjectMetadata:
    """The metadata of an object. UnreadableError."""
    return decode(data, _AnyObject).metadata


class Reflector(RepeatingThread):
    """Follows one collection, in a thread of its own; once it is stopped, it notifies no more."""

    def __init__(
        self,
        api: ApiReader,
        path: str,
        selectors: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
        page: int = PAGE,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        """Read nothing yet.

        Args:
            api: The API server.
            path: The collection's.
            selectors: Query parameters, such as ``fieldSelector``. To a watch, an object that they no longer select was deleted.
            now: A monotonic clock, in seconds.
            page: The most objects in one response to a list.
            resync_seconds: After so long the collection is listed again.

        """
        super().__init__(path)
        self._api, self._path, self._selectors, self._now, self._page = api, path, selectors, now, page
        self._resync_seconds = resync_seconds
        self._resource_version: str | None = None
        self._list_at = 0.0
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)

    @abstractmethod
    def take_list(self, items: Iterator[msgspec.Raw]) -> None:
        """These are all objects; they are read page by page. ClusterError."""

    @abstractmethod
    def take_change(self, metadata: ObjectMetadata, data: msgspec.Raw) -> None:
        """An object was created, or has changed."""

    @abstractmethod
    def take_end(self, metadata: ObjectMetadata) -> None:
        """An object was deleted, or is no longer selected."""

    @abstractmethod
    def was_read(self) -> None:
        """A list, or a part of a watch, was read."""

    @abstractmethod
    def has_failed(self, problem: Exception) -> None:
        """A list or a watch failed."""

    def run_once(self) -> float:
        """List where that is needed, and watch until the watch ends; the seconds to wait before the next time."""
        try:
            self._follow()
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave the collection unseen
            if not isinstance(problem, UnreachableError):
                # The resourceVersion is too old (410), or watching is forbidden: objects may have changed unseen. Or an event cannot be
                # read, and a watch from the same resourceVersion would receive it again and again.
                self._resource_version = None
            if not self._stopped.is_set():
                self.has_failed(problem)
            return self._backoff.pause()
        # Pause after a success as well: an API server that ends every watch at once must not be called in a loop.
        return FIRST_PAUSE_SECONDS / 2

    def _follow(self) -> None:
        if self._resource_version is None or self._now() >= self._list_at:
            self._list()
        assert self._resource_version is not None  # noqa: S101  the list sets it
        for event in watch(self._api, self._path, self._resource_version, WATCH_SECONDS, **self._selectors):
            if self._stopped.is_set():
                return
            if event is not None:
                self._take(event.type, event.object)
            self.was_read()
        self._backoff.reset()
        self.was_read()

    def _list(self) -> None:
        version = ""

        def items() -> Iterator[msgspec.Raw]:
            nonlocal version
            for page in pages(self._api, self._path, self._page, **self._selectors):
                version = page.metadata.resource_version
                yield from page.items or ()

        self.take_list(items())
        self.was_read()
        self._resource_version, self._list_at = version, self._now() + self._resync_seconds

    def _take(self, what: str, data: msgspec.Raw) -> None:
        metadata = metadata_of(data)
        if what == "DELETED":
            self.take_end(metadata)
        elif what != "BOOKMARK":
            self.take_change(metadata, data)
        if metadata.resource_version != self._resource_version:
            # A watch that was accepted may still be refused by its first event, so the acceptance alone does not reset the back-off.
            self._backoff.reset()
        self._resource_version = metadata.resource_version
