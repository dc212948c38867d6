"""Reads the stuck pods of every namespace that has opted in, namespace by namespace and page by page."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import MalformedPodError, read_progress
from webhook.course.stuck_pod import StuckPod
from webhook.doctor.snapshot import ReadFailure
from webhook.kube.errors import ClusterError, RefusedError, UnreachableError
from webhook.reaper.namespaces import OPTED_IN, list_opted_in
from webhook.reaper.task_pods import all_pods, unended_pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from webhook.core import Progress
    from webhook.course.stuck_pod import StuckPodReader
    from webhook.doctor.registration import RegisteredWebhook
    from webhook.kube.reading import ApiReader

MOST_UNREACHABLE: Final = 3
"""Namespaces in a row for which there is no response: the API server is gone, and waiting for each of the others would take minutes."""


class NamespaceCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A namespace that has opted in.

    Args:
        namespace: Its name.
        running: How many Running task pods it has; with a failure, how many were read before it.
        stuck: How many of its pods are stuck; one of these may be Pending.
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


def list_called(api: ApiReader, webhooks: Sequence[RegisteredWebhook] | ReadFailure) -> list[str]:
    """The namespaces for which the installed webhook is called; with the label, where no webhook is found. ClusterError."""
    own = () if isinstance(webhooks, ReadFailure) else [one for one in webhooks if one.is_own]
    return list_opted_in(api, {one.namespaces.query for one in own} or {OPTED_IN})


def read_fleet(api: ApiReader, names: Sequence[str], reader: StuckPodReader, on_progress: Callable[[str], None]) -> Fleet:
    """Read the pods of these namespaces that have not ended; see `read_namespaces`. ClusterError."""
    return read_namespaces(names, lambda name: NamespaceReader(unended_pods(api, name), reader, _ignore), on_progress)


def read_whole_fleet(
    api: ApiReader,
    names: Sequence[str],
    reader: StuckPodReader,
    on_pod: Callable[[bytes, Progress], None],
    on_progress: Callable[[str], None],
) -> Fleet:
    """The same for pods of every phase; ``on_pod`` is called with each task pod, as JSON and as far as it has come. ClusterError."""
    return read_namespaces(names, lambda name: NamespaceReader(all_pods(api, name), reader, on_pod), on_progress)


def _ignore(_pod: bytes, _progress: Progress) -> None:
    """Of a pod that is not stuck nothing is needed."""


def read_namespaces(names: Sequence[str], reader_of: Callable[[str], NamespaceReader], on_progress: Callable[[str], None]) -> Fleet:
    """Read these namespaces. One that cannot be listed stops nothing; of the pods only those that are stuck are stored.

    Args:
        names: Of the namespaces.
        reader_of: Makes the reader of one.
        on_progress: Is called before each namespace with how far the work has come.

    Raises:
        ClusterError: The credentials are not accepted (401), or the API server is gone.

    """
    read, stuck, unreachable = list[NamespaceCount](), list[StuckPod](), 0
    for number, name in enumerate(names):
        on_progress(f"namespaces: {number:,} of {len(names):,}, task pods: {sum(one.running for one in read):,}, stuck: {len(stuck):,}")
        one = reader_of(name)
        problem = one.read()
        unreachable = unreachable + 1 if isinstance(problem, UnreachableError) else 0
        if problem is not None and (unreachable == MOST_UNREACHABLE or _is_fatal(problem)):
            raise problem
        stuck += one.stuck
        read.append(NamespaceCount(name, one.running, len(one.stuck), "" if problem is None else str(problem)))
    return Fleet(tuple(read), tuple(stuck))


def _is_fatal(problem: ClusterError) -> bool:
    return isinstance(problem, RefusedError) and problem.status == HTTPStatus.UNAUTHORIZED


class NamespaceReader:
    """The task pods of a namespace, each once: a pod may come twice where a page has expired."""

    def __init__(self, pods: Iterator[msgspec.Raw], reader: StuckPodReader, on_pod: Callable[[bytes, Progress], None]) -> None:
        """Read nothing yet; ``on_pod`` is called with each task pod, as JSON and as far as it has come."""
        self._pods, self._reader, self._on_pod = pods, reader, on_pod
        self._seen: set[str] = set()
        self.running = 0
        self.stuck: list[StuckPod] = []

    def read(self) -> ClusterError | None:
        """Read them; what stopped that."""
        try:
            # No variable for an item: it would hold its whole page until the next one has arrived.
            for pod in map(bytes, self._pods):
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
        if progress is None or progress.name in self._seen:
            return
        self._seen.add(progress.name)
        self._on_pod(pod, progress)
        self.running += progress.phase == "Running"
        self.stuck += filter(None, [self._reader.read(pod, progress)])
