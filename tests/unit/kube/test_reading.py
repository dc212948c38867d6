"""What is read from the Kubernetes API, on a fake API server (tests/support/fake_api_reader.py)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fake_api_reader import OLD, FakeApiReader, event, node_object, page
from webhook.core.cluster import MutatingWebhook, ServerVersion
from webhook.core.version import Version
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.nodes import ClusterNode
from webhook.kube.reading import (
    CONFIGURATIONS_PATH,
    NODES_PATH,
    PAGE,
    VERSION_PATH,
    list_nodes,
    list_webhooks,
    read_server,
    watch,
)

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


VERSIONS = {
    "the pinned one": (
        {"gitVersion": "v1.34.4", "emulationMajor": "1", "emulationMinor": "34"},
        ServerVersion("v1.34.4", Version(1, 34, 4)),
    ),
    "one that emulates an older": (
        {"gitVersion": "v1.34.4", "emulationMajor": "1", "emulationMinor": "32"},
        ServerVersion("v1.34.4", Version(1, 32), emulates=True),
    ),
    "one before emulation": ({"gitVersion": "v1.28.15"}, ServerVersion("v1.28.15", Version(1, 28, 15))),
    "Amazon's": ({"gitVersion": "v1.31.2-eks-7f9249a", "minor": "31+"}, ServerVersion("v1.31.2-eks-7f9249a", Version(1, 31, 2))),
    "Google's": (
        {"gitVersion": "v1.30.5-gke.1014001", "emulationMajor": "1", "emulationMinor": "30+"},
        ServerVersion("v1.30.5-gke.1014001", Version(1, 30, 5)),
    ),
    "k3s": ({"gitVersion": "v1.33.1+k3s1"}, ServerVersion("v1.33.1+k3s1", Version(1, 33, 1))),
    "one that emulates nothing that can be read": (
        {"gitVersion": "v1.34.4", "emulationMajor": "", "emulationMinor": "x"},
        ServerVersion("v1.34.4", Version(1, 34, 4)),
    ),
}


@pytest.mark.parametrize(("answer", "server"), VERSIONS.values(), ids=VERSIONS)
def test_a_server_counts_as_the_version_that_it_emulates_where_that_is_older(answer: JSONObject, server: ServerVersion) -> None:
    assert read_server(FakeApiReader({VERSION_PATH: [answer]})) == server


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"gitVersion": 7}', b'{"gitVersion": "newest"}'], ids=repr)
def test_an_answer_without_a_version_is_unreadable(answer: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_server(FakeApiReader({VERSION_PATH: [answer]}))


def test_nodes_are_listed_page_by_page() -> None:
    reader = FakeApiReader({NODES_PATH: [page(node_object("a"), following="more"), page(node_object("b", OLD), at=7)]})
    nodes = list_nodes(reader)

    assert (len(nodes), nodes.oldest) == (2, ClusterNode("b", Version(1, 28, 15)))
    assert reader.requests == [(NODES_PATH, {"limit": str(PAGE)}), (NODES_PATH, {"limit": str(PAGE), "continue": "more"})]


def test_a_list_without_items_has_none() -> None:
    nodes = list_nodes(FakeApiReader({NODES_PATH: [{"metadata": {"resourceVersion": "3"}, "items": None}]}))

    assert (len(nodes), nodes.oldest) == (0, None)


def test_the_webhooks_of_all_configurations_are_listed_with_their_reinvocation_and_version() -> None:
    labels = {"app.kubernetes.io/version": "1.26.8"}
    istio = {
        "metadata": {"name": "istio", "labels": labels},
        "webhooks": [{"name": "a.istio.io", "reinvocationPolicy": "IfNeeded"}, {"name": "b.istio.io"}],
    }
    vault = {"metadata": {"name": "vault"}, "webhooks": [{"name": "v"}]}
    reader = FakeApiReader(
        {CONFIGURATIONS_PATH: [page(istio, following="more"), page(vault, following="even more"), page({"metadata": {"name": "empty"}})]}
    )

    assert list_webhooks(reader) == [
        MutatingWebhook("istio", "a.istio.io", "IfNeeded", "1.26.8"),
        MutatingWebhook("istio", "b.istio.io", "Never", "1.26.8"),
        MutatingWebhook("vault", "v", "Never", ""),
    ]


def test_the_events_of_a_watch_are_read_as_they_arrive() -> None:
    lines: list[bytes | Exception] = [
        b"",
        event("ADDED", node_object("a", at=2)),
        event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
    ]
    reader = FakeApiReader(watches=[lines])

    assert [one and one.type for one in watch(reader, NODES_PATH, "1")] == [None, "ADDED", "BOOKMARK"]
    (_path, parameters), *_ = reader.requests
    assert (parameters["resourceVersion"], parameters["allowWatchBookmarks"], parameters["watch"]) == ("1", "true", "true")


def test_an_error_within_a_watch_is_a_refusal() -> None:
    expired = event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version: 1 (9)"})
    with pytest.raises(RefusedError, match="410 too old resource version") as refusal:
        list(watch(FakeApiReader(watches=[[expired]]), NODES_PATH, "1"))
    assert refusal.value.status == 410


def test_a_watch_of_any_collection_leaves_its_objects_undecoded() -> None:
    reader = FakeApiReader(watches=[[b"", event("ADDED", {"kind": "Pod"})]])
    accepted, added = watch(reader, "/api/v1/pods", "1")

    assert accepted is None
    assert added is not None
    assert (added.type, bytes(added.object)) == ("ADDED", b'{"kind": "Pod"}')
    assert reader.requests[0][0] == "/api/v1/pods"


FIRST_USES: Final = """
import sys
import threading

import msgspec

from webhook.kube.reading import decode

sys.setswitchinterval(1e-6)
for _ in range(500):
    inner = msgspec.defstruct("Inner", [("name", str, ""), ("labels", dict[str, str] | None, None), ("version", str, "")])
    outer = msgspec.defstruct("Outer", [("inner", inner), ("items", list[inner] | None, None)])
    begin = threading.Barrier(4)

    def use(kind=outer, begin=begin):
        begin.wait()
        decode(b'{"inner": {"name": "a"}, "items": [{"name": "b"}]}', kind)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
"""A type that no thread has decoded yet, decoded by four at once, and so on; without the lock the process ends with SIGSEGV."""


def test_a_type_that_several_threads_decode_for_the_first_time_at_once_ends_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_USES], check=False, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
