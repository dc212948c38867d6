"""A pytest plugin that tries mutants instead of running the tests once.

What makes it quick: the tests are collected once, and the policy is built once; each mutant is tried in a fork of that process, with
empty caches. It meets only the tests that call its function: first those that killed other mutants of the function or the module, then the module's
own, then others, the quickest first.
"""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

from tests.mutation.forks import Work, in_forks
from tests.mutation.mutant import Mutant, Result

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

MUTANTS: Final = Path("mutants.json")
RESULTS: Final = Path("results.json")
AT_ONCE: Final = os.cpu_count() or 1
SPARE_SECONDS: Final = 60
TIMES_AS_LONG: Final = 20
"""A mutant may take this many times as long as its tests without it, and `SPARE_SECONDS` more, until it counts as one that does not end."""

NO_END: Final = "no end"
"""The killer of a mutant that does not end, or that ends the process."""

MOST_SECONDS: Final = 0.5
"""A test that takes longer is not run: it goes through all pods of a folder, or many examples, and says little about one place."""

MOST_OF_OTHERS: Final = 200
"""Tests of other modules that a mutant meets, beside all of its own: most mutants that these do not kill, no further one does."""

PROGRESS: Final = 100
"""Mutants between two lines of progress."""

set_mutant_under_test("stats")
"""What is called while the tests are collected is written down as well."""


class Coverage(msgspec.Struct):
    """What the tests call.

    Args:
        seconds: The CPU time of each test.
        functions: mutmut's names of the functions that each test calls.
        by_session: Of those that a fixture of the session calls.
        failed: Tests that failed: they show nothing about a mutant.

    """

    seconds: list[float]
    functions: list[set[str]]
    by_session: set[str]
    failed: list[str]


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Find out which tests call which function, then try every mutant."""
    at_import = state()._stats.copy()
    set_mutant_under_test("")
    mutants = msgspec.json.decode(MUTANTS.read_bytes(), type=list[Mutant])
    [(_, answer)] = in_forks(iter([Work(None, lambda: _cover(session.items), 0)]), 1)
    assert answer is not None, "the process ended"
    coverage = msgspec.json.decode(answer, type=Coverage)
    for name in coverage.failed:
        print(f"left out, since it fails without any mutant: {name}", flush=True)
    trials = Trials(session.items, coverage, at_import)
    with RESULTS.open("wb") as stream:
        for result in trials.try_all(mutants):
            stream.write(msgspec.json.encode(result) + b"\n")
            stream.flush()
    return True


_called_by_fixture: dict[str, set[str]] = {}
_called_by_session: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Write down what a fixture calls, which it does once for all the tests that share it."""
    before = state()._stats.copy()
    state()._stats.clear()
    value = yield
    _called_by_fixture[fixturedef.argname] = state()._stats.copy()
    if fixturedef.scope == "session":
        _called_by_session.update(state()._stats)
    state()._stats.update(before)
    return value


def _cover(items: Sequence[pytest.Item]) -> str:
    """Run every test, and write down what it and its fixtures called."""
    set_mutant_under_test("stats")
    coverage = Coverage([], [], _called_by_session, [])
    for item, following in pairwise([*items, None]):
        assert item is not None
        state()._stats.clear()
        began = time.process_time()
        if not _passes(item, following):
            coverage.failed.append(item.nodeid)
        coverage.seconds.append(time.process_time() - began)
        fixtures = [_called_by_fixture.get(name, set()) for name in getattr(item, "fixturenames", ())]
        is_left_out = item.nodeid in coverage.failed
        coverage.functions.append(set() if is_left_out else state()._stats.union(*fixtures))
    return msgspec.json.encode(coverage).decode()


class Trials:
    """The trials of the mutants.

    Args:
        items: The tests.
        coverage: What they call.
        at_import: mutmut's names of the functions that are called while the tests are collected.

    """

    def __init__(self, items: Sequence[pytest.Item], coverage: Coverage, at_import: set[str]) -> None:
        """Nothing has been tried yet."""
        self._items, self._coverage, self._at_import = items, coverage, at_import
        # tests/conftest.py has frozen what was collected, and the collector does not list that.
        gc.unfreeze()
        self._caches = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
        self._killers: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def try_all(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """The result of each mutant, in any order."""
        early = [mutant for mutant in mutants if mutant.key in self._coverage.by_session]
        late = [mutant for mutant in mutants if mutant.key not in self._coverage.by_session]
        survivors = 0
        for number, result in enumerate(self._tried(early, late), 1):
            survivors += result.killer is None
            if result.killer is None:
                print(f"survived {result.tests} tests: {result.mutant.function} {' '.join(result.mutant.change)}", flush=True)
            if number % PROGRESS == 0 or number == len(mutants):
                print(f"{number} of {len(mutants)} tried, {survivors} survived", flush=True)
            yield result

    def _tried(self, early: Sequence[Mutant], late: Sequence[Mutant]) -> Iterator[Result]:
        """Those that the session's fixtures call need a fork in which these are not set up yet."""
        yield from self._results(early)
        self._set_up_session()
        yield from self._results(late)

    def _set_up_session(self) -> None:
        """Build what the session's fixtures build, for all further forks."""
        for item in self._items:
            fixtures = [one[-1] for one in item._fixtureinfo.name2fixturedefs.values()] if isinstance(item, pytest.Function) else []
            is_of_session = all(one.scope == "session" for one in fixtures)
            if is_of_session and any(one.cached_result is None for one in fixtures):
                item.session._setupstate.setup(item)
                # Everything but what belongs to the session: pytest only wants to know what to leave.
                item.session._setupstate.teardown_exact(item.session)  # type: ignore[arg-type]
        gc.collect()
        gc.freeze()

    def _results(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        for (mutant, tests), answer in in_forks(map(self._work, mutants), AT_ONCE):
            killer = NO_END if answer is None else answer
            if killer.isdecimal():
                self._killers[mutant.key][int(killer)] += 1
                self._killers[mutant.module][int(killer)] += 1
                killer = self._items[int(killer)].nodeid
            if not tests and mutant.key in self._at_import and _dies_at_import(mutant):
                killer = "the import"
            yield Result(mutant, tests, killer or None)

    def _work(self, mutant: Mutant) -> Work[tuple[Mutant, int]]:
        callers = self._callers(mutant)
        seconds = sum(self._coverage.seconds[index] for index in callers)
        return Work((mutant, len(callers)), lambda: self._first_failure(mutant, callers), SPARE_SECONDS + int(TIMES_AS_LONG * seconds))

    def _callers(self, mutant: Mutant) -> list[int]:
        """The tests that call the function, in the order in which they are most likely to fail; of other modules' tests a limited number.

        Each test comes with its first set of parameters before any comes with its second.
        """
        functions, seconds = self._coverage.functions, self._coverage.seconds
        callers = [index for index, cost in enumerate(seconds) if cost < MOST_SECONDS and mutant.key in functions[index]]
        killers, seen, rank = self._killers, Counter[str](), {}
        for index in sorted(callers, key=seconds.__getitem__):
            test = self._items[index].nodeid.partition("[")[0]
            seen[test] += 1
            killed = killers[mutant.key][index], killers[mutant.module][index]
            rank[index] = -killed[0], -killed[1], not self._is_own(mutant, index), seen[test]
        own = sum(self._is_own(mutant, index) for index in callers)
        return sorted(callers, key=rank.__getitem__)[: own + MOST_OF_OTHERS]

    def _is_own(self, mutant: Mutant, index: int) -> bool:
        return self._items[index].path.name.startswith(f"test_{mutant.module.rpartition('.')[2]}")

    def _first_failure(self, mutant: Mutant, callers: Sequence[int]) -> str:
        """The index of the first test that fails; empty: none does."""
        for cache in self._caches:
            cache.cache_clear()
        set_mutant_under_test(mutant.name)
        for index, following in pairwise([*callers, None]):
            assert index is not None
            if not _passes(self._items[index], None if following is None else self._items[following]):
                return str(index)
        return ""


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _dies_at_import(mutant: Mutant) -> bool:
    """Whether the tests fail in a process in which the mutant is switched on before the modules are imported."""
    command = [sys.executable, *sys.orig_argv[1:]]
    arguments = [one for one in command if one not in ("-p", __name__)]
    environment = {**os.environ, "MUTANT_UNDER_TEST": mutant.name}
    return subprocess.run([*arguments, "--exitfirst"], env=environment, check=False, capture_output=True).returncode != 0
