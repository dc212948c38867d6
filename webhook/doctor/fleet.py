"""Reads the stuck pods of every namespace that has opted in, namespace by namespace and page by page."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import MalformedPodError, read_progress
from webhook.course.stuck_pod import StuckPod
from webhook.kube.errors import ClusterError, RefusedError, UnreachableError
from webhook.reaper.namespaces import list_opted_in
from webhook.reaper.task_pods import running_pods

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.course.stuck_pod import StuckPodReader
    from webhook.kube.reading import ApiReader

MOST_UNREACHABLE: Final = 3
"""Namespaces in a row for which there is no response: the API server is gone, and waiting for each of the others would take minutes."""


class NamespaceCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A namespace that has opted in.

    Args:
        namespace: Its name.
        running: How many Running task pods it has; with a failure, how many were read before it.
        stuck: How many of them are stuck.
        failure: Why its pods could not be listed, in the API server's own words; empty: they could.

    """

    namespace: str
    running: int
    stuck: int
    failure: str = ""


class Fleet(msgspec.Struct, frozen=True):
    """What was read.

    Args:
        namespaces: In the order of their names.
        stuck: The stuck pods, as they were read.

    """

    namespaces: tuple[NamespaceCount, ...]
    stuck: tuple[StuckPod, ...]


def read_fleet(api: ApiReader, reader: StuckPodReader, on_progress: Callable[[str], None]) -> Fleet:
    """Read every namespace. One that cannot be listed stops nothing; of the pods only those that are stuck are stored.

    Args:
        api: Reads from the API server.
        reader: Says which pods are stuck.
        on_progress: Is called before each namespace with how far the work has come.

    Raises:
        ClusterError: The namespaces cannot be listed, the credentials are not accepted (401), or the API server is gone.

    """
    names = list_opted_in(api)
    read, stuck, unreachable = list[NamespaceCount](), list[StuckPod](), 0
    for number, name in enumerate(names):
        on_progress(f"namespaces: {number:,} of {len(names):,}, task pods: {sum(one.running for one in read):,}, stuck: {len(stuck):,}")
        one = _NamespaceReader(api, reader, name)
        problem = one.read()
        unreachable = unreachable + 1 if isinstance(problem, UnreachableError) else 0
        if problem is not None and (unreachable == MOST_UNREACHABLE or _is_fatal(problem)):
            raise problem
        stuck += one.stuck
        read.append(NamespaceCount(name, len(one.seen), len(one.stuck), "" if problem is None else str(problem)))
    return Fleet(tuple(read), tuple(stuck))


def _is_fatal(problem: ClusterError) -> bool:
    return isinstance(problem, RefusedError) and problem.status == HTTPStatus.UNAUTHORIZED


class _NamespaceReader:
    """The task pods of a namespace, each once: a pod may come twice where a page has expired."""

    def __init__(self, api: ApiReader, reader: StuckPodReader, name: str) -> None:
        self._api, self._reader, self._name = api, reader, name
        self.seen: set[str] = set()
        self.stuck: list[StuckPod] = []

    def read(self) -> ClusterError | None:
        """Read them; what stopped that."""
        try:
            # No variable for an item: it would hold its whole page until the next one has arrived.
            for pod in map(bytes, running_pods(self._api, self._name)):
                self._add(pod)
        except ClusterError as problem:
            return problem
        return None

    def _add(self, pod: bytes) -> None:
        try:
            progress = read_progress(pod, self._reader.policy.catalogue)
        except MalformedPodError:
            # Of a type that this version does not know: nothing is known of it.
            return
        if progress is None or progress.name in self.seen:
            return
        self.seen.add(progress.name)
        self.stuck += filter(None, [self._reader.read(pod, progress)])
