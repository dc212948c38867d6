"""How the nodes are listed and watched, on a fake API server (tests/support/fake_api_reader.py)."""

from __future__ import annotations

import json
import time
import tracemalloc
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_api_reader import OLD, FakeApiReader, RecordingClusterListener, event, node_object, page
from webhook.core.cluster import NativeSupport, ServerVersion
from webhook.core.version import Version
from webhook.kube.backoff import FIRST_PAUSE_SECONDS
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.node_reflector import BATCH_SECONDS, GATHER_SECONDS, NodeReflector
from webhook.kube.nodes import ClusterNode, Nodes
from webhook.kube.reading import NODES_PATH, PAGE
from webhook.kube.view import ClusterResource, ClusterView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.kube.reading import ApiReader


def server_of(*version: int) -> ServerVersion:
    """An API server of this version that emulates no other."""
    return ServerVersion(str(Version(*version)), Version(*version))


def support_of(view: ClusterView) -> NativeSupport:
    """The current support."""
    return view.current.support


def reflector_of(
    reader: ApiReader,
    view: ClusterView,
    listener: RecordingClusterListener,
    pause: Callable[[float], object] = lambda _: None,
    now: Callable[[], float] = time.monotonic,
) -> NodeReflector:
    """A reflector whose reads and failures the listener records."""
    view.update_server(server_of(1, 34))
    return NodeReflector(reader, view, listener, pause, now)


def failure_of(listener: RecordingClusterListener) -> str:
    """The type of the last failure."""
    resource, problem = listener.failures[-1]
    assert resource is ClusterResource.NODES
    return problem.partition(":")[0]


def test_an_old_node_that_is_added_and_deleted_changes_the_support_with_the_event(
    view: ClusterView, listener: RecordingClusterListener
) -> None:
    lines: list[bytes | Exception] = [event("ADDED", node_object("b", OLD, 2)), event("DELETED", node_object("b", OLD, 3))]
    reflector_of(FakeApiReader({NODES_PATH: [page(node_object("a"))]}, [lines]), view, listener).run_once()

    ready, old = NativeSupport.READY, NativeSupport.OLD_KUBELET
    assert listener.changes == [(NativeSupport.UNKNOWN, ready, "a"), (ready, old, "b"), (old, ready, "a")]
    assert view.current.is_native


@dataclass
class FakeClock:
    """A clock that stands still until a test moves it."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_heartbeats_change_nothing(view: ClusterView, listener: RecordingClusterListener) -> None:
    reader = FakeApiReader({NODES_PATH: [page(node_object("a"))]}, [[event("MODIFIED", node_object("a", at=at)) for at in range(2, 50)]])
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    after = view.current

    assert len(listener.changes) == 1
    assert listener.reads.count(ClusterResource.NODES) == 50, "but they count as reads"
    reader.watches.append([event("MODIFIED", node_object("a", at=60))])
    reflector.run_once()
    assert view.current is after


def test_events_are_read_many_at_a_time_and_gather_in_between(view: ClusterView, listener: RecordingClusterListener) -> None:
    clock, counts, pauses = FakeClock(), list[int](), list[float]()
    enough = UnreachableError("it is enough")

    def pause(seconds: float) -> None:
        counts.append(len(listener.reads))
        pauses.append(seconds)
        clock.seconds += seconds
        if len(counts) == 4:
            raise enough

    def events() -> Iterator[bytes]:
        while True:
            clock.seconds += BATCH_SECONDS / 100
            yield event("MODIFIED", node_object("a", at=2))

    reader = FakeApiReader({NODES_PATH: [page(node_object("a"))]}, [events()])
    reflector_of(reader, view, listener, pause, clock).run_once()
    assert failure_of(listener) == "UnreachableError"

    assert pauses == [GATHER_SECONDS] * 4
    assert all(100 <= after - before <= 102 for before, after in pairwise(counts)), "the events until the time is over, and the next one"


def test_the_next_watch_goes_on_from_the_last_event_without_a_list(view: ClusterView, listener: RecordingClusterListener) -> None:
    broken: list[bytes | Exception] = [event("MODIFIED", node_object("a", at=6)), UnreachableError("reset")]
    reader = FakeApiReader({NODES_PATH: [page(node_object("a"), at=5)]}, [[event("BOOKMARK", node_object("", at=8))], broken, []])
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    reflector.run_once()
    assert failure_of(listener) == "UnreachableError"
    reflector.run_once()

    assert [parameters.get("resourceVersion") for _path, parameters in reader.requests] == [None, "5", "8", "6"]


@pytest.mark.parametrize("status", [410, 403, 500])
def test_after_a_refused_watch_the_nodes_are_listed_again(view: ClusterView, listener: RecordingClusterListener, status: int) -> None:
    reader = FakeApiReader(
        {NODES_PATH: [page(node_object("a"), at=5), page(node_object("b", OLD), at=9)]}, [[RefusedError(status, "no")], []]
    )
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    assert failure_of(listener) == "RefusedError"
    assert support_of(view) is NativeSupport.READY
    reflector.run_once()

    assert support_of(view) is NativeSupport.OLD_KUBELET
    assert listener.counts == (1, 0), "the deleted node is forgotten"


@dataclass
class RepeatingApiReader(FakeApiReader):
    """The same fake. Its event 6 cannot be read, and every watch from before it receives it."""

    bad: bytes = b"<html>"

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        self.watches = [[b"", self.bad] if int(parameters["resourceVersion"]) < 6 else [b""]]
        yield from super().lines(path, read_seconds, **parameters)


BAD_EVENTS = {
    "no JSON": b"<html>",
    "cut short": event("MODIFIED", node_object("a", at=6))[:-9],
    "another shape": event("MODIFIED", {"metadata": {"name": 7, "resourceVersion": "6"}}),
    "no text": event("MODIFIED", node_object("a", at=6)).replace(b'"a"', b'"\xff"'),
}


@pytest.mark.parametrize("bad", BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_an_event_that_cannot_be_read_is_received_once_and_the_nodes_are_listed_past_it(
    view: ClusterView, listener: RecordingClusterListener, bad: bytes
) -> None:
    reader = RepeatingApiReader({NODES_PATH: [page(node_object("a"), at=5), page(node_object("b", OLD), at=9)]}, bad=bad)
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    assert failure_of(listener) == "UnreadableError"
    assert support_of(view) is NativeSupport.READY
    reads = len(listener.reads)
    reflector.run_once()

    assert [parameters.get("resourceVersion") for _path, parameters in reader.requests] == [None, "5", None, "9"]
    assert support_of(view) is NativeSupport.OLD_KUBELET
    assert len(listener.reads) > reads


def test_where_the_list_cannot_be_read_either_nothing_counts_as_read(view: ClusterView, listener: RecordingClusterListener) -> None:
    reader = RepeatingApiReader({NODES_PATH: [page(node_object("a"), at=5), b"<html>"]})
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    assert failure_of(listener) == "UnreadableError"
    reads = len(listener.reads)
    for _ in range(3):
        reflector.run_once()
        assert failure_of(listener) == "UnreadableError"

    assert len(listener.reads) == reads
    assert support_of(view) is NativeSupport.READY


def test_after_an_event_that_meets_a_bug_the_nodes_are_listed_again(
    view: ClusterView, listener: RecordingClusterListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = FakeApiReader(
        {NODES_PATH: [page(node_object("a"), at=5)]}, [[event("BOOKMARK", node_object("", at=8)), event("ADDED", node_object("b", at=9))]]
    )
    monkeypatch.setattr(Nodes, "put", failing_on("b", Nodes.put))
    reflector = reflector_of(reader, view, listener)
    reflector.run_once()
    assert failure_of(listener) == "ZeroDivisionError"
    reader.watches.append([])
    reflector.run_once()

    assert [parameters.get("resourceVersion") for _path, parameters in reader.requests] == [None, "5", None, "5"]


def failing_on(name: str, put: Callable[[Nodes, ClusterNode], bool]) -> Callable[[Nodes, ClusterNode], bool]:
    """The same, with a bug that this node triggers."""

    def failing(nodes: Nodes, node: ClusterNode) -> bool:
        if node.name == name:
            raise ZeroDivisionError
        return put(nodes, node)

    return failing


NODE_COUNT, NODE_BYTES = 5000, 10_000
"""As many as Kubernetes is made for (https://kubernetes.io/docs/setup/best-practices/cluster-large/), and as large as one with its images."""


class LargeApiReader(FakeApiReader):
    """A fake API server of a large cluster, which makes a page when it is requests for it; a watch that ends at once."""

    def get(self, path: str, **parameters: str) -> bytes:
        first = int(parameters.get("continue", "0"))
        last = first + int(parameters["limit"])
        self.requests.append((path, parameters))
        following = f"{last}" if last < NODE_COUNT else ""
        written = BytesIO()
        written.write(f'{{"metadata": {{"resourceVersion": "1", "continue": "{following}"}}, "items": ['.encode())
        for number in range(first, last):
            node = json.dumps(node_object(f"node-{number:04}")).encode()
            written.write(b"," if number > first else b"")
            written.write(node[:-1] + b', "padding": "' + b"x" * (NODE_BYTES - len(node)) + b'"}')
        written.write(b"]}")
        return written.getvalue()


def test_thousands_of_nodes_take_the_memory_of_two_pages_while_they_are_listed(
    view: ClusterView, listener: RecordingClusterListener
) -> None:
    reader = LargeApiReader(watches=[[]])
    reflector = reflector_of(reader, view, listener)
    tracemalloc.start()
    try:
        reflector.run_once()
        _left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert listener.counts == (NODE_COUNT, 0)
    assert len(reader.requests) == NODE_COUNT / PAGE + 1
    # A page is freed when the next one has arrived. The third page is room for what is stored: names and versions.
    assert peak < 3 * PAGE * NODE_BYTES < NODE_COUNT * NODE_BYTES / 3


def test_a_list_that_breaks_off_changes_nothing(view: ClusterView, listener: RecordingClusterListener) -> None:
    reader = FakeApiReader({NODES_PATH: [page(node_object("b", OLD), following="more"), UnreachableError("reset")]})
    reflector_of(reader, view, listener).run_once()
    assert failure_of(listener) == "UnreachableError"

    assert (view.current.support, listener.counts) == (NativeSupport.UNKNOWN, None)


def test_an_accepted_watch_counts_as_a_read_and_one_that_is_refused_by_its_first_event_does_not_reset_the_backoff(
    view: ClusterView, listener: RecordingClusterListener
) -> None:
    lists: list[object] = [*[UnreachableError("reset")] * 5, page(node_object("a"), at=5)]
    refused: list[bytes | Exception] = [b"", RefusedError(410, "too old")]
    broken: list[bytes | Exception] = [b"", event("BOOKMARK", node_object("", at=8)), UnreachableError("reset")]
    reflector = reflector_of(FakeApiReader({NODES_PATH: lists}, [refused, broken]), view, listener)
    pauses = [reflector.run_once() for _ in range(5)]
    pause = reflector.run_once()

    assert listener.reads == [ClusterResource.NODES, ClusterResource.NODES], "the list, and that the watch was accepted"
    assert failure_of(listener) == "RefusedError"
    assert pause > max(pauses[:3])
    assert reflector.run_once() <= FIRST_PAUSE_SECONDS
