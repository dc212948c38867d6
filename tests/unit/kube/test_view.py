"""What is read of a cluster's API, how the nodes are followed, and what is known afterwards: without a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import wait
from webhook.core.cluster import Cluster, MutatingWebhook, NativeSupport, NativeSwitch, Server
from webhook.core.version import Version
from webhook.kube import credentials
from webhook.kube.credentials import find_client
from webhook.kube.errors import RefusedError, UnreachableError, UnreadableError
from webhook.kube.nodes import UNREADABLE, Node, Nodes, make_node
from webhook.kube.reading import (
    CONFIGURATIONS_PATH,
    NODES_PATH,
    PAGE,
    VERSION_PATH,
    list_nodes,
    list_webhooks,
    read_server,
    watch_nodes,
)
from webhook.kube.view import ClusterView, Resource
from webhook.kube.watcher import (
    BATCH_SECONDS,
    FIRST_PAUSE_SECONDS,
    GATHER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    THREAD_NAME,
    Backoff,
    NodeFollower,
    Watcher,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy
    from webhook.core.sidecar import Catalogue
    from webhook.kube.reading import Source


DEADLINE_SECONDS = 15
NEW, OLD = "v1.34.2", "v1.28.15"
MINIMUM = Version(1, 29, 3)


def node_object(name: str, kubelet: str = NEW, at: int = 0, labels: Mapping[str, str] | None = None) -> JSONObject:
    """The fields of a Node that are read, and some that are not."""
    return {
        "metadata": {"name": name, "resourceVersion": str(at), "labels": labels, "annotations": {"a": "b"}},
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {"nodeInfo": {"kubeletVersion": kubelet, "architecture": "amd64"}, "images": [{"names": ["a"]}]},
    }


def event(kind: str, about: JSONObject) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": about}).encode()


def page(*items: object, at: int = 1, following: str = "") -> JSONObject:
    """An answer to a list."""
    return {"metadata": {"resourceVersion": str(at), "continue": following}, "items": items}


@dataclass
class FakeSource:
    """A fake API server: it answers by a script, and says nothing of what a real one answers.

    Args:
        answers: For each path what is answered in turn, the last one again and again; an exception is raised.
        watches: The same for the watches: lines, the last of which may be an exception.
        asked: Every request: its path and its parameters.

    """

    answers: dict[str, list[object]] = field(default_factory=dict)
    watches: list[Iterable[bytes | Exception]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def get(self, path: str, **parameters: str) -> bytes:
        self.asked.append((path, parameters))
        script = self.answers[path]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert read_seconds > float(parameters["timeoutSeconds"]), "the server ends its watch before the client gives up"
        self.asked.append((path, parameters))
        for line in self.watches.pop(0):
            if isinstance(line, Exception):
                raise line
            yield line


@dataclass
class Story:
    """What a listener was told."""

    changes: list[tuple[NativeSupport, NativeSupport, str | None]] = field(default_factory=list)
    counts: tuple[int, int] | None = None
    injectors: list[frozenset[str]] = field(default_factory=list)
    fresh: list[Resource] = field(default_factory=list)
    failures: list[tuple[Resource, str]] = field(default_factory=list)

    def changed(self, before: NativeSupport, after: Cluster, oldest: Node | None) -> None:
        self.changes.append((before, after.support, oldest.name if oldest else None))

    def counted(self, nodes: int, virtual: int) -> None:
        self.counts = (nodes, virtual)

    def found(self, injectors: frozenset[str]) -> None:
        self.injectors.append(injectors)

    def answered(self, resource: Resource) -> None:
        self.fresh.append(resource)

    def failed(self, resource: Resource, problem: Exception) -> None:
        self.failures.append((resource, f"{type(problem).__name__}: {problem}"))


@pytest.fixture
def catalogue(policy: Policy) -> Catalogue:
    return policy.catalogue


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def view(catalogue: Catalogue, story: Story) -> ClusterView:
    return ClusterView(NativeSwitch.AUTO, MINIMUM, catalogue, story)


VERSIONS = {
    "the pinned one": ({"gitVersion": "v1.34.4", "emulationMajor": "1", "emulationMinor": "34"}, Server("v1.34.4", Version(1, 34, 4))),
    "one that emulates an older": (
        {"gitVersion": "v1.34.4", "emulationMajor": "1", "emulationMinor": "32"},
        Server("v1.34.4", Version(1, 32), emulates=True),
    ),
    "one before emulation": ({"gitVersion": "v1.28.15"}, Server("v1.28.15", Version(1, 28, 15))),
    "Amazon's": ({"gitVersion": "v1.31.2-eks-7f9249a", "minor": "31+"}, Server("v1.31.2-eks-7f9249a", Version(1, 31, 2))),
    "Google's": (
        {"gitVersion": "v1.30.5-gke.1014001", "emulationMajor": "1", "emulationMinor": "30+"},
        Server("v1.30.5-gke.1014001", Version(1, 30, 5)),
    ),
    "k3s": ({"gitVersion": "v1.33.1+k3s1"}, Server("v1.33.1+k3s1", Version(1, 33, 1))),
    "one that emulates nothing that can be read": (
        {"gitVersion": "v1.34.4", "emulationMajor": "", "emulationMinor": "x"},
        Server("v1.34.4", Version(1, 34, 4)),
    ),
}


@pytest.mark.parametrize(("answer", "server"), VERSIONS.values(), ids=VERSIONS)
def test_a_server_counts_as_the_version_that_it_emulates_where_that_is_older(answer: JSONObject, server: Server) -> None:
    assert read_server(FakeSource({VERSION_PATH: [answer]})) == server


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"gitVersion": 7}', b'{"gitVersion": "newest"}'], ids=repr)
def test_an_answer_that_is_no_version_is_said_to_be_none(answer: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_server(FakeSource({VERSION_PATH: [answer]}))


def test_nodes_are_listed_page_by_page_and_the_watch_goes_on_from_the_last() -> None:
    source = FakeSource({NODES_PATH: [page(node_object("a"), following="more"), page(node_object("b", OLD), at=7)]})
    nodes, position = list_nodes(source)

    assert (len(nodes), nodes.oldest, position) == (2, Node("b", Version(1, 28, 15)), "7")
    assert source.asked == [(NODES_PATH, {"limit": str(PAGE)}), (NODES_PATH, {"limit": str(PAGE), "continue": "more"})]


def test_a_list_without_items_has_none() -> None:
    nodes, position = list_nodes(FakeSource({NODES_PATH: [{"metadata": {"resourceVersion": "3"}, "items": None}]}))

    assert (len(nodes), nodes.oldest, position) == (0, None, "3")


def test_the_webhooks_of_all_configurations_are_listed_with_their_reinvocation() -> None:
    istio = {"metadata": {"name": "istio"}, "webhooks": [{"name": "a.istio.io", "reinvocationPolicy": "IfNeeded"}, {"name": "b.istio.io"}]}
    empty = {"metadata": {"name": "empty"}}
    source = FakeSource({CONFIGURATIONS_PATH: [page(istio, following="more"), page(empty)]})

    assert list_webhooks(source) == [MutatingWebhook("istio", "a.istio.io", "IfNeeded"), MutatingWebhook("istio", "b.istio.io", "Never")]


def test_the_events_of_a_watch_are_read_with_their_place() -> None:
    lines: list[bytes | Exception] = [
        b"",
        event("ADDED", node_object("a", at=2)),
        event("MODIFIED", node_object("a", OLD, at=3)),
        event("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": "9"}}),
        event("DELETED", node_object("a", OLD, at=10)),
    ]
    source = FakeSource(watches=[lines])
    told = [(one.node and str(one.node.kubelet), one.is_gone, one.resource_version) for one in watch_nodes(source, "1")]

    assert told == [
        (None, False, "1"),
        ("1.34.2", False, "2"),
        ("1.28.15", False, "3"),
        (None, False, "9"),
        ("1.28.15", True, "10"),
    ]
    (_path, parameters), *_ = source.asked
    assert (parameters["resourceVersion"], parameters["allowWatchBookmarks"], parameters["watch"]) == ("1", "true", "true")


def test_an_error_within_a_watch_is_a_refusal() -> None:
    expired = event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version: 1 (9)"})
    with pytest.raises(RefusedError, match="410 too old resource version") as refusal:
        list(watch_nodes(FakeSource(watches=[[expired]]), "1"))
    assert refusal.value.status == 410


NODES = {
    "as people write it": ("v1.29.3", {}, Version(1, 29, 3), False),
    "a vendor's": ("v1.31.2-eks-7f9249a", {}, Version(1, 31, 2), False),
    "none": ("", {}, UNREADABLE, False),
    "no version": ("newest", {}, UNREADABLE, False),
    "Fargate": ("v1.28.0", {"eks.amazonaws.com/compute-type": "fargate"}, Version(1, 28), True),
    "a virtual kubelet": ("v1.19.0-vk", {"type": "virtual-kubelet"}, Version(1, 19), True),
    "a managed node group": ("v1.30.0", {"eks.amazonaws.com/compute-type": "ec2", "type": "node"}, Version(1, 30), False),
}


@pytest.mark.parametrize(("kubelet", "labels", "version", "is_virtual"), NODES.values(), ids=NODES)
def test_of_a_node_its_kubelet_counts_unless_it_is_virtual(
    kubelet: str, labels: dict[str, str], version: Version, is_virtual: bool
) -> None:
    nodes = Nodes()
    nodes.put(make_node("a", labels, kubelet))

    assert nodes.oldest == (None if is_virtual else Node("a", version))
    assert nodes.virtual == is_virtual


NAMES = st.sampled_from("abcd")
KUBELETS = st.sampled_from([NEW, OLD, "v1.30.1", "v1.30.1+k3s1", "", "newest"])
LABELS = st.sampled_from([{}, {"type": "virtual-kubelet"}, {"zone": "a"}])
EVENTS = st.lists(st.tuples(NAMES, st.none() | st.tuples(KUBELETS, LABELS)), max_size=30)


def as_told(nodes: Nodes) -> tuple[int, int, Node | None]:
    """All that others see of it."""
    return len(nodes), nodes.virtual, nodes.oldest


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_events_leave_what_a_list_at_the_end_would_show(
    events: list[tuple[str, tuple[str, dict[str, str]] | None]], chance: Any
) -> None:
    followed = Nodes()
    there: dict[str, Node] = {}
    for name, state in events:
        before = as_told(followed), there.get(name)
        if state is None:
            there.pop(name, None)
            is_news = followed.drop(name)
        else:
            there[name] = make_node(name, state[1], state[0])
            is_news = followed.put(there[name])
        assert is_news == (there.get(name) != before[1])
        assert is_news or as_told(followed) == before[0]
    listed = Nodes()
    for name in chance.sample(sorted(there), len(there)):
        listed.put(there[name])

    assert as_told(followed) == as_told(listed)


@given(EVENTS)
def test_no_node_counts_as_younger_than_the_oldest(events: list[tuple[str, tuple[str, dict[str, str]] | None]]) -> None:
    nodes = Nodes()
    states = {name: state for name, state in events if state is not None}
    for name, (kubelet, labels) in states.items():
        nodes.put(make_node(name, labels, kubelet))
    versions = [make_node(name, labels, kubelet).kubelet for name, (kubelet, labels) in states.items() if "type" not in labels]

    assert (nodes.oldest.kubelet if nodes.oldest else None) == min(versions, default=None)


def follower_of(
    source: Source,
    view: ClusterView,
    story: Story,
    pause: Callable[[float], object] = lambda _: None,
    now: Callable[[], float] = time.monotonic,
) -> NodeFollower:
    """A follower that tells the story."""
    view.saw_server(server_of(1, 34))
    return NodeFollower(source, view, lambda: story.answered(Resource.NODES), pause, now)


def test_an_old_node_that_comes_and_goes_is_seen_with_the_event(view: ClusterView, story: Story) -> None:
    lines: list[bytes | Exception] = [event("ADDED", node_object("b", OLD, 2)), event("DELETED", node_object("b", OLD, 3))]
    follower_of(FakeSource({NODES_PATH: [page(node_object("a"))]}, [lines]), view, story).follow()

    ready, old = NativeSupport.READY, NativeSupport.OLD_KUBELET
    assert story.changes == [(NativeSupport.UNKNOWN, ready, "a"), (ready, old, "b"), (old, ready, "a")]
    assert view.current.is_native


@dataclass
class FakeClock:
    """A clock that stands still until somebody puts it on."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_heartbeats_are_no_news(view: ClusterView, story: Story) -> None:
    source = FakeSource({NODES_PATH: [page(node_object("a"))]}, [[event("MODIFIED", node_object("a", at=at)) for at in range(2, 50)]])
    follower = follower_of(source, view, story)
    follower.follow()
    after = view.current

    assert len(story.changes) == 1
    assert story.fresh.count(Resource.NODES) == 50, "but they show that somebody is there"
    source.watches.append([event("MODIFIED", node_object("a", at=60))])
    follower.follow()
    assert view.current is after


def test_events_are_read_many_at_a_time_and_gather_in_between(view: ClusterView, story: Story) -> None:
    clock, told, pauses = FakeClock(), list[int](), list[float]()
    enough = UnreachableError("it is enough")

    def pause(seconds: float) -> None:
        told.append(len(story.fresh))
        pauses.append(seconds)
        clock.seconds += seconds
        if len(told) == 4:
            raise enough

    def events() -> Iterator[bytes]:
        while True:
            clock.seconds += BATCH_SECONDS / 100
            yield event("MODIFIED", node_object("a", at=2))

    source = FakeSource({NODES_PATH: [page(node_object("a"))]}, [events()])
    with pytest.raises(UnreachableError):
        follower_of(source, view, story, pause, clock).follow()

    assert pauses == [GATHER_SECONDS] * 4
    assert all(100 <= after - before <= 102 for before, after in pairwise(told)), "all that come until the time is over, and the next"


def test_the_next_watch_goes_on_from_the_last_event_without_a_list(view: ClusterView, story: Story) -> None:
    broken: list[bytes | Exception] = [event("MODIFIED", node_object("a", at=6)), UnreachableError("reset")]
    source = FakeSource({NODES_PATH: [page(node_object("a"), at=5)]}, [[event("BOOKMARK", node_object("", at=8))], broken, []])
    follower = follower_of(source, view, story)
    follower.follow()
    with pytest.raises(UnreachableError):
        follower.follow()
    follower.follow()

    assert [parameters.get("resourceVersion") for _path, parameters in source.asked] == [None, "5", "8", "6"]


@pytest.mark.parametrize("status", [410, 403, 500])
def test_after_a_refused_watch_the_nodes_are_listed_again(view: ClusterView, story: Story, status: int) -> None:
    source = FakeSource({NODES_PATH: [page(node_object("a"), at=5), page(node_object("b", OLD), at=9)]}, [[RefusedError(status, "no")], []])
    follower = follower_of(source, view, story)
    with pytest.raises(RefusedError):
        follower.follow()
    assert support_of(view) is NativeSupport.READY
    follower.follow()

    assert support_of(view) is NativeSupport.OLD_KUBELET
    assert story.counts == (1, 0), "the node that is gone is forgotten"


@dataclass
class RepeatingSource(FakeSource):
    """The same fake; its event 6 cannot be read, by whoever watches from before it, as often as they do."""

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
def test_an_event_that_cannot_be_read_is_met_once_and_the_nodes_are_listed_past_it(view: ClusterView, story: Story, bad: bytes) -> None:
    source = RepeatingSource({NODES_PATH: [page(node_object("a"), at=5), page(node_object("b", OLD), at=9)]}, bad=bad)
    follower = follower_of(source, view, story)
    with pytest.raises(UnreadableError):
        follower.follow()
    assert support_of(view) is NativeSupport.READY
    told = len(story.fresh)
    follower.follow()

    assert [parameters.get("resourceVersion") for _path, parameters in source.asked] == [None, "5", None, "9"]
    assert support_of(view) is NativeSupport.OLD_KUBELET
    assert len(story.fresh) > told


def test_where_the_list_cannot_be_read_either_what_is_known_does_not_look_fresh(view: ClusterView, story: Story) -> None:
    source = RepeatingSource({NODES_PATH: [page(node_object("a"), at=5), b"<html>"]})
    follower = follower_of(source, view, story)
    with pytest.raises(UnreadableError):
        follower.follow()
    told = len(story.fresh)
    for _ in range(3):
        with pytest.raises(UnreadableError):
            follower.follow()

    assert len(story.fresh) == told
    assert support_of(view) is NativeSupport.READY


def test_after_an_event_on_which_we_fail_ourselves_the_nodes_are_listed_again(
    view: ClusterView, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource(
        {NODES_PATH: [page(node_object("a"), at=5)]}, [[event("BOOKMARK", node_object("", at=8)), event("ADDED", node_object("b", at=9))]]
    )
    monkeypatch.setattr(Nodes, "put", failing_on("b", Nodes.put))
    follower = follower_of(source, view, story)
    with pytest.raises(ZeroDivisionError):
        follower.follow()
    source.watches.append([])
    follower.follow()

    assert [parameters.get("resourceVersion") for _path, parameters in source.asked] == [None, "5", None, "5"]


def failing_on(name: str, put: Callable[[Nodes, Node], bool]) -> Callable[[Nodes, Node], bool]:
    """The same, with a bug that shows at this node."""

    def failing(nodes: Nodes, node: Node) -> bool:
        if node.name == name:
            raise ZeroDivisionError
        return put(nodes, node)

    return failing


NODE_COUNT, NODE_BYTES = 5000, 10_000
"""As many as Kubernetes is made for (https://kubernetes.io/docs/setup/best-practices/cluster-large/), and as large as one with its images."""


class LargeSource(FakeSource):
    """A fake API server of a large cluster, which makes a page when it is asked for it; a watch that ends at once."""

    def get(self, path: str, **parameters: str) -> bytes:
        first = int(parameters.get("continue", "0"))
        last = first + int(parameters["limit"])
        self.asked.append((path, parameters))
        following = f"{last}" if last < NODE_COUNT else ""
        written = BytesIO()
        written.write(f'{{"metadata": {{"resourceVersion": "1", "continue": "{following}"}}, "items": ['.encode())
        for number in range(first, last):
            node = json.dumps(node_object(f"node-{number:04}")).encode()
            written.write(b"," if number > first else b"")
            written.write(node[:-1] + b', "padding": "' + b"x" * (NODE_BYTES - len(node)) + b'"}')
        written.write(b"]}")
        return written.getvalue()


def test_thousands_of_nodes_take_the_room_of_two_pages_while_they_are_listed(view: ClusterView, story: Story) -> None:
    source = LargeSource(watches=[[]])
    follower = follower_of(source, view, story)
    tracemalloc.start()
    try:
        follower.follow()
        _left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert story.counts == (NODE_COUNT, 0)
    assert len(source.asked) == NODE_COUNT / PAGE + 1
    # The page that has been read is let go when the next has come. The third one's room is for what is kept: names and versions.
    assert peak < 3 * PAGE * NODE_BYTES < NODE_COUNT * NODE_BYTES / 3


def test_a_list_that_breaks_off_changes_nothing(view: ClusterView, story: Story) -> None:
    source = FakeSource({NODES_PATH: [page(node_object("b", OLD), following="more"), UnreachableError("reset")]})
    with pytest.raises(UnreachableError):
        follower_of(source, view, story).follow()

    assert (view.current.support, story.counts) == (NativeSupport.UNKNOWN, None)


def test_a_watch_that_stands_is_a_word_of_the_api_server_and_one_that_is_refused_then_is_no_reason_to_hurry(
    view: ClusterView, story: Story
) -> None:
    source = FakeSource(
        {NODES_PATH: [page(node_object("a"), at=5)]}, [[b"", RefusedError(410, "too old")], [b"", event("BOOKMARK", node_object("", at=8))]]
    )
    follower = follower_of(source, view, story)
    pauses = [follower.backoff.pause() for _ in range(5)]
    with pytest.raises(RefusedError):
        follower.follow()

    assert story.fresh == [Resource.NODES, Resource.NODES], "the list, and that the watch stands"
    assert follower.backoff.pause() > max(pauses[:3])
    follower.follow()
    assert follower.backoff.pause() <= FIRST_PAUSE_SECONDS


def test_pauses_double_up_to_a_bound_and_start_again(view: ClusterView) -> None:
    del view
    backoff = Backoff()
    pauses = [backoff.pause() for _ in range(2000)]

    assert all(2**number / 2 <= pause / FIRST_PAUSE_SECONDS <= 2**number for number, pause in enumerate(pauses[:5]))
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses[5:])
    assert len(set(pauses[5:])) > 100, "replicas do not come back all at once"
    backoff.reset()
    assert backoff.pause() <= FIRST_PAUSE_SECONDS


def server_of(*version: int) -> Server:
    """An API server of this version that emulates no other."""
    return Server(str(Version(*version)), Version(*version))


def support_of(view: ClusterView) -> NativeSupport:
    """What holds now."""
    return view.current.support


def test_the_view_says_unknown_until_server_and_nodes_are_known(view: ClusterView, story: Story) -> None:
    nodes = Nodes()
    nodes.put(make_node("a", {}, NEW))
    assert support_of(view) is NativeSupport.UNKNOWN
    view.saw_nodes(nodes)
    assert support_of(view) is NativeSupport.UNKNOWN
    view.saw_server(server_of(1, 34))
    assert view.current == Cluster(NativeSupport.READY, Version(1, 34))
    view.saw_server(server_of(1, 28, 3))
    assert support_of(view) is NativeSupport.OLD_SERVER
    assert [after for _before, after, _node in story.changes] == [NativeSupport.READY, NativeSupport.OLD_SERVER]


@pytest.mark.parametrize(
    ("server", "support"),
    [
        (Version(1, 32), NativeSupport.OLD_KUBELET),
        (Version(1, 32, 13), NativeSupport.OLD_KUBELET),
        (Version(1, 33), NativeSupport.READY),
    ],
    ids=str,
)
def test_a_server_without_nodes_may_be_joined_by_the_first_release_of_the_oldest_minor(
    server: Version, support: NativeSupport, view: ClusterView
) -> None:
    view.saw_nodes(Nodes())
    view.saw_server(Server(str(server), server))

    assert support_of(view) is support


@pytest.mark.parametrize(
    ("emulated", "support"),
    [
        (Version(1, 28), NativeSupport.OLD_SERVER),
        (Version(1, 29), NativeSupport.EMULATING_SERVER),
        (Version(1, 32), NativeSupport.EMULATING_SERVER),
        (Version(1, 33), NativeSupport.READY),
    ],
    ids=str,
)
def test_a_server_that_emulates_a_version_whose_native_sidecars_may_be_switched_off_counts_as_one_without(
    emulated: Version, support: NativeSupport, view: ClusterView
) -> None:
    nodes = Nodes()
    nodes.put(make_node("new", {}, NEW))
    view.saw_nodes(nodes)
    view.saw_server(Server("v1.34.4", emulated, emulates=True))

    assert support_of(view) is support


@pytest.mark.parametrize(("switch", "support"), [("on", NativeSupport.FORCED_ON), ("off", NativeSupport.FORCED_OFF)])
def test_a_switch_holds_whatever_is_seen(catalogue: Catalogue, story: Story, switch: str, support: NativeSupport) -> None:
    view = ClusterView(NativeSwitch(switch), MINIMUM, catalogue, story)
    view.saw_server(server_of(1, 20))
    view.saw_nodes(Nodes())

    assert view.current == Cluster(support, Version(1, 20))
    assert story.changes == []


def test_injectors_are_told_when_they_are_others_than_before(view: ClusterView, story: Story) -> None:
    istio = MutatingWebhook("istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io", "IfNeeded")
    for webhooks in ([], [istio], [istio], []):
        view.saw_webhooks(webhooks)

    assert ["istio" in found for found in story.injectors] == [True, False]
    view.saw_webhooks([istio])
    assert view.current.injectors == view.current.reinvoked != frozenset()


def until(holds: Callable[[], object]) -> None:
    """Wait for another thread."""
    wait.until(holds, "another thread does its part", DEADLINE_SECONDS)


@dataclass
class HangingSource(FakeSource):
    """The same fake; a watch says nothing until the test ends."""

    ended: threading.Event = field(default_factory=threading.Event)

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        del path, read_seconds, parameters
        self.ended.wait(DEADLINE_SECONDS)
        yield from ()


def test_the_first_look_is_over_when_all_was_tried_while_the_watch_goes_on(view: ClusterView, story: Story) -> None:
    answers: dict[str, list[object]] = {
        NODES_PATH: [page(node_object("a"))],
        VERSION_PATH: [{"gitVersion": NEW}],
        CONFIGURATIONS_PATH: [RefusedError(403, "forbidden")],
    }
    source = HangingSource(answers)
    watcher = Watcher(lambda: source, view, story, 3600)
    assert not watcher.has_looked
    watcher.start()
    try:
        until(lambda: watcher.has_looked)
        assert view.current.is_native
        assert story.failures == [(Resource.CONFIGURATIONS, "RefusedError: 403 forbidden")]
    finally:
        watcher.stop()
        source.ended.set()


def test_a_bug_in_a_look_ends_no_thread(view: ClusterView, story: Story) -> None:
    bug = ZeroDivisionError("a bug")
    source = FakeSource({NODES_PATH: [bug], VERSION_PATH: [bug, {"gitVersion": NEW}], CONFIGURATIONS_PATH: [bug, page()]})
    watcher = Watcher(lambda: source, view, story, 1)
    watcher.start()
    try:
        until(lambda: {Resource.VERSION, Resource.CONFIGURATIONS} <= set(story.fresh))
        assert (Resource.NODES, "ZeroDivisionError: a bug") in story.failures
        assert view.current.server == Version(1, 34, 2)
    finally:
        watcher.stop()


def test_credentials_that_cannot_be_used_are_tried_again(view: ClusterView, story: Story) -> None:
    source = FakeSource({NODES_PATH: [page()], VERSION_PATH: [{"gitVersion": NEW}], CONFIGURATIONS_PATH: [page()]}, [[], []])
    problems = [UnreachableError("the login failed")]

    def connect() -> FakeSource:
        if problems:
            raise problems.pop()
        return source

    watcher = Watcher(connect, view, story, 3600)
    watcher.start()
    try:
        until(lambda: watcher.has_looked)
        assert {resource for resource, _problem in story.failures} == set(Resource)
        until(lambda: view.current.is_native)
    finally:
        watcher.stop()


def test_a_stopped_watcher_asks_and_tells_nothing_more(view: ClusterView, story: Story) -> None:
    calls: list[str] = []

    def connect() -> FakeSource:
        calls.append("connect")
        watcher.stop()
        raise UnreachableError

    watcher = Watcher(connect, view, story, 1)
    watcher.start()
    until(lambda: calls and not [thread for thread in threading.enumerate() if thread.name == THREAD_NAME])

    assert (calls, story.fresh, story.failures) == (["connect"], [], [])


def test_without_credentials_there_is_nothing_to_connect_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for environ in (
        {},
        {"KUBECONFIG": os.devnull},
        {"KUBECONFIG": f"{tmp_path}/none{os.pathsep}"},
        {"KUBERNETES_SERVICE_HOST": "10.96.0.1"},
    ):
        assert find_client(environ) is None


def test_the_pods_own_identity_goes_before_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".kube" / "config"
    default.parent.mkdir()
    default.write_text("{}")
    names = [find_client({}), find_client({"KUBECONFIG": f"{tmp_path}/none{os.pathsep}{default}"})]
    monkeypatch.setattr(credentials, "TOKEN_FILE", default)
    names.append(find_client({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBECONFIG": str(default)}))

    assert [connect and connect.__name__ for connect in names] == ["connect_by_kubeconfig", "connect_by_kubeconfig", "connect_in_pod"]


IMPORTS_NO_CLIENT = """
import os, sys
from webhook.policy_files import build_policy
from webhook.server.cluster_watch import ClusterWatch
from webhook.server.metrics import Metrics
from webhook.settings import read_settings
settings = read_settings(os.environ)
watch = ClusterWatch(settings, build_policy(settings).catalogue, Metrics())
watch.start()
print(watch.view.current.support, "kubernetes" in sys.modules)
"""


@pytest.mark.parametrize(("switch", "told"), [("off", "forced-off False"), ("on", "forced-on True"), ("auto", "unknown True")])
def test_off_does_not_even_import_the_client(tmp_path: Path, switch: str, told: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    environment = {
        **os.environ,
        "AIRFLOW_SIDECAR_WEBHOOK__NATIVE_SIDECARS": switch,
        "KUBECONFIG": str(kubeconfig),
        "KUBERNETES_SERVICE_HOST": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS_NO_CLIENT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split("\n")[0] == told
