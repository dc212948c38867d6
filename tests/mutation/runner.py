"""A pytest plugin that tries mutants instead of running the tests once.

The process that collects the tests runs none itself: each fork begins with empty caches.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

from tests.mutation.mutant import Mutant, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

MUTANTS: Final = Path("mutants.json")
RESULTS: Final = Path("results.json")
COVERAGE: Final = Path("coverage.json")
PASSED, FAILED = 0, 1
SPARE_SECONDS: Final = 60
TIMES_AS_LONG: Final = 20
"""A mutant may take this many times as long as its tests without it, and `SPARE_SECONDS` more, until it counts as one that does not end."""

PROGRESS: Final = 50
"""Mutants between two lines of progress."""


class Coverage(msgspec.Struct):
    """What one test calls.

    Args:
        seconds: How long it took.
        functions: mutmut's names of the functions.

    """

    seconds: float
    functions: set[str]


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Find out which tests call which function, then try every mutant."""
    mutants = msgspec.json.decode(MUTANTS.read_bytes(), type=list[Mutant])
    if _in_fork(lambda: _cover(session.items), 0) != PASSED:
        session.shouldfail = "a test fails without any mutant"
        return True
    coverage = msgspec.json.decode(COVERAGE.read_bytes(), type=list[Coverage])
    results = []
    for number, mutant in enumerate(mutants, 1):
        result = _try(mutant, session.items, coverage)
        results.append(result)
        if not result.is_killed:
            print(f"survived {result.tests} tests: {mutant.function} {' '.join(mutant.change)}", flush=True)
        if number % PROGRESS == 0 or number == len(mutants):
            print(f"{number} of {len(mutants)} tried, {sum(not one.is_killed for one in results)} survived", flush=True)
    RESULTS.write_bytes(msgspec.json.encode(results))
    return True


_called_by_fixture: dict[str, set[str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Write down what a fixture calls, which it does once for all the tests that share it."""
    before = state()._stats.copy()
    state()._stats.clear()
    value = yield
    _called_by_fixture[fixturedef.argname] = state()._stats.copy()
    state()._stats.update(before)
    return value


def _cover(items: Sequence[pytest.Item]) -> bool:
    """Run every test, and write down what it and its fixtures called."""
    set_mutant_under_test("stats")
    coverage = []
    for item, following in pairwise([*items, None]):
        assert item is not None
        state()._stats.clear()
        began = time.monotonic()
        if not _passes(item, following):
            return False
        fixtures = [_called_by_fixture.get(name, set()) for name in getattr(item, "fixturenames", ())]
        coverage.append(Coverage(time.monotonic() - began, state()._stats.union(*fixtures)))
    COVERAGE.write_bytes(msgspec.json.encode(coverage))
    return True


def _try(mutant: Mutant, items: Sequence[pytest.Item], coverage: Sequence[Coverage]) -> Result:
    """Run the tests that call the function, the quickest first."""
    callers = sorted((index for index, test in enumerate(coverage) if mutant.key in test.functions), key=lambda one: coverage[one].seconds)
    chosen = [items[index] for index in callers]
    seconds = SPARE_SECONDS + TIMES_AS_LONG * sum(coverage[index].seconds for index in callers)

    def run() -> bool:
        set_mutant_under_test(mutant.name)
        return all(_passes(item, following) for item, following in pairwise([*chosen, None]) if item is not None)

    return Result(mutant, len(chosen), bool(chosen) and _in_fork(run, int(seconds)) != PASSED)


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _in_fork(run: Callable[[], bool], seconds: int) -> int:
    """The exit code of a fork that runs this; one that takes longer is ended by SIGALRM. 0 seconds: no limit."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(silence, stream.fileno())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    code = FAILED
    try:
        code = PASSED if run() else FAILED
    finally:
        os._exit(code)
