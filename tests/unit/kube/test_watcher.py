"""The watcher's threads, on a fake API server (tests/support/fake_api_reader.py)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed import wait
from tests.support.fake_api_reader import NEW, FakeApiReader, RecordingClusterListener, node_object, page
from webhook.core.version import Version
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH
from webhook.kube.view import ClusterResource, ClusterView
from webhook.kube.watcher import THREAD_NAME, ClusterWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


DEADLINE_SECONDS = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


def until(holds: Callable[[], object]) -> None:
    """Wait for another thread."""
    wait.until(holds, "another thread does its part", DEADLINE_SECONDS)


@dataclass
class HangingApiReader(FakeApiReader):
    """The same fake, whose watch sends nothing until the test ends."""

    ended: threading.Event = field(default_factory=threading.Event)

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        del path, read_seconds, parameters
        self.ended.wait(DEADLINE_SECONDS)
        yield from ()


def test_the_first_sync_is_over_when_everything_was_attempted_while_the_watch_is_open(
    view: ClusterView, listener: RecordingClusterListener
) -> None:
    answers: dict[str, list[object]] = {
        NODES_PATH: [page(node_object("a"))],
        VERSION_PATH: [{"gitVersion": NEW}],
        CONFIGURATIONS_PATH: [RefusedError(403, "forbidden")],
    }
    reader = HangingApiReader(answers)
    watcher = ClusterWatcher(lambda: reader, view, listener, 3600)
    assert not watcher.has_synced
    watcher.start()
    try:
        until(lambda: watcher.has_synced)
        assert view.current.is_native
        assert listener.failures == [(ClusterResource.CONFIGURATIONS, "RefusedError: 403 forbidden")]
    finally:
        watcher.stop()
        reader.ended.set()


def test_a_bug_in_a_read_ends_no_thread(view: ClusterView, listener: RecordingClusterListener) -> None:
    bug = ZeroDivisionError("a bug")
    reader = FakeApiReader({NODES_PATH: [bug], VERSION_PATH: [bug, {"gitVersion": NEW}], CONFIGURATIONS_PATH: [bug, page()]})
    watcher = ClusterWatcher(lambda: reader, view, listener, 1)
    watcher.start()
    try:
        until(lambda: {ClusterResource.VERSION, ClusterResource.CONFIGURATIONS} <= set(listener.reads))
        until(lambda: (ClusterResource.NODES, "ZeroDivisionError: a bug") in listener.failures)
        assert view.current.server == Version(1, 34, 2)
    finally:
        watcher.stop()


def test_credentials_that_cannot_be_used_are_tried_again(view: ClusterView, listener: RecordingClusterListener) -> None:
    reader = FakeApiReader({NODES_PATH: [page()], VERSION_PATH: [{"gitVersion": NEW}], CONFIGURATIONS_PATH: [page()]}, [[], []])
    problems = [UnreachableError("the login failed")]

    def connect() -> FakeApiReader:
        if problems:
            raise problems.pop()
        return reader

    watcher = ClusterWatcher(connect, view, listener, 3600)
    watcher.start()
    try:
        until(lambda: watcher.has_synced)
        assert {resource for resource, _problem in listener.failures} == set(ClusterResource)
        until(lambda: view.current.is_native)
    finally:
        watcher.stop()


def test_a_stopped_watcher_requests_and_notifies_nothing(view: ClusterView, listener: RecordingClusterListener) -> None:
    calls: list[str] = []

    def connect() -> FakeApiReader:
        calls.append("connect")
        watcher.stop()
        raise UnreachableError

    watcher = ClusterWatcher(connect, view, listener, 1)
    watcher.start()
    until(lambda: calls and not [thread for thread in threading.enumerate() if thread.name in {THREAD_NAME, NODES_PATH}])

    assert (calls, listener.reads, listener.failures) == (["connect"], [], [])
