"""Threads that work on pods: which work begins when some of it never comes to an end."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from webhook.reaper.workers import WORKERS, WORKERS_OF_A_NAMESPACE, Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Work waits for it; it is set at the end of the test, so that the threads end."""
    event = threading.Event()
    yield event
    event.set()


def test_one_namespace_whose_work_never_ends_holds_up_no_other_one(release: threading.Event) -> None:
    workers = Workers("test")
    for _ in range(5 * WORKERS):
        workers.submit("slow", release.wait)
    assert workers.submit("honest", lambda: "done").result(SECONDS) == "done"
    assert workers.waiting == 5 * WORKERS - WORKERS_OF_A_NAMESPACE
    workers.close(wait=False)


def test_namespaces_take_turns(release: threading.Event) -> None:
    done: list[str] = []
    workers = Workers("test")
    for namespace in ("first", "second"):
        for _ in range(WORKERS_OF_A_NAMESPACE):
            workers.submit(namespace, release.wait)
    # No thread is free now.
    last = [workers.submit(namespace, partial(done.append, namespace)) for namespace in ("many", "many", "many", "few")]
    release.set()
    for one in last:
        one.result(SECONDS)
    assert set(done[:2]) == {"many", "few"}
    workers.close(wait=True)


def test_what_work_raises_reaches_whoever_waits_for_it_and_its_thread_goes_on() -> None:
    with Workers("test") as workers:
        failed = [workers.submit("pods", lambda: 1 / 0) for _ in range(WORKERS + 1)]
        assert workers.submit("pods", lambda: "done").result(SECONDS) == "done"
        for one in failed:
            with pytest.raises(ZeroDivisionError):
                one.result(SECONDS)


def test_work_for_which_no_thread_can_be_started_is_done_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the container's limit of processes is full for a moment."""

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with Workers("test") as workers:
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", refuse)
            first = workers.submit("pods", lambda: "first")
        assert workers.submit("pods", lambda: "second").result(SECONDS) == "second"
        assert first.result(SECONDS) == "first"


def test_once_it_is_closed_nothing_more_begins(release: threading.Event) -> None:
    began = threading.Semaphore(0)

    def work() -> None:
        began.release()
        release.wait()

    workers = Workers("test")
    for _ in range(2 * WORKERS_OF_A_NAMESPACE):
        workers.submit("pods", work)
    for _ in range(WORKERS_OF_A_NAMESPACE):
        assert began.acquire(timeout=SECONDS)
    workers.close(wait=False)
    release.set()
    workers.close(wait=True)
    assert not began.acquire(blocking=False)
