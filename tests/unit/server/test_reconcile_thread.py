"""The thread that reconciles again and again: after successes, failures and bugs, and when it is stopped."""

from __future__ import annotations

import threading
from typing import Final

from webhook.server.reconcile_thread import FIRST_PAUSE_SECONDS, ReconcileThread

SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""

INTERVAL_SECONDS: Final = 8.0


class PanicError(BaseException):
    """What a panic in a library written in Rust is raised as (PyO3): no Exception."""


def test_it_goes_on_after_an_outage_and_after_a_bug_of_any_kind() -> None:
    problems = [OSError("nobody"), ValueError("a bug"), RecursionError(), MemoryError(), PanicError(), SystemExit(1)]
    expected = [type(problem) for problem in problems]
    failures: list[BaseException] = []
    has_succeeded = threading.Event()

    def reconcile() -> None:
        if problems:
            raise problems.pop(0)
        has_succeeded.set()

    thread = ReconcileThread("reconciling", reconcile, failures.append, 0.01)
    thread.start()
    try:
        assert has_succeeded.wait(SECONDS)
    finally:
        thread.stop()

    assert [type(problem) for problem in failures] == expected


def test_it_goes_on_where_reporting_a_failure_fails_too() -> None:
    def fail(problem: BaseException) -> None:
        raise ValueError from problem

    thread = ReconcileThread("reconciling", lambda: fail(OSError()), fail, INTERVAL_SECONDS)

    assert 0 < thread.run_once() <= FIRST_PAUSE_SECONDS


def test_after_failures_it_pauses_longer_each_time_and_after_a_success_for_the_interval() -> None:
    problem: Exception | None = OSError("nobody")

    def reconcile() -> None:
        if problem is not None:
            raise problem

    thread = ReconcileThread("reconciling", reconcile, lambda _: None, INTERVAL_SECONDS)
    pauses = [thread.run_once() for _ in range(8)]

    assert all(FIRST_PAUSE_SECONDS * 2**number / 2 <= pause <= FIRST_PAUSE_SECONDS * 2**number for number, pause in enumerate(pauses[:4]))
    assert all(INTERVAL_SECONDS / 2 <= pause <= INTERVAL_SECONDS for pause in pauses[4:])
    problem = None
    assert 0.8 * INTERVAL_SECONDS <= thread.run_once() <= INTERVAL_SECONDS
    problem = OSError("nobody")
    assert thread.run_once() <= FIRST_PAUSE_SECONDS


def test_replicas_that_started_together_spread_out() -> None:
    thread = ReconcileThread("reconciling", lambda: None, lambda _: None, INTERVAL_SECONDS)

    assert len({thread.run_once() for _ in range(20)}) > 10


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    called, ended = threading.Event(), threading.Event()

    def reconcile() -> None:
        called.set()
        ended.wait(SECONDS)

    thread = ReconcileThread("hanging", reconcile, lambda _: None, INTERVAL_SECONDS)
    thread.start()
    assert called.wait(SECONDS)
    thread.stop()

    assert [one.daemon for one in threading.enumerate() if one.name == "hanging"] == [True]
    ended.set()
