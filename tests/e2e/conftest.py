"""The node with Istio as fixtures, and pytest's hooks for all levels. A level starts when the first test in a process needs it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from testbed import levels
from testbed.mesh import LEGACY
from tests.e2e import summary
from tests.e2e.levels import node_level, require, timed_start
from tests.e2e.scheduling import LevelScheduling, position_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from xdist.remote import Producer

    from testbed.levels import NodeLevel
    from testbed.mesh import Mesh

TEST_SECONDS: Final = 900


@pytest.fixture(scope="session")
def node() -> Iterator[NodeLevel]:
    """A cluster of one node."""
    with node_level() as level:
        yield level


@pytest.fixture(scope="session")
def mesh(node: NodeLevel) -> Iterator[Mesh]:
    """Istio on that node, with sidecars as regular containers."""
    require(*levels.OF_MESH)
    with ExitStack() as ends:
        with timed_start("mesh"):
            istio = ends.enter_context(levels.mesh(node.node, LEGACY))
        yield istio


@pytest.fixture(scope="session")
def measured() -> list[str]:
    """Lines for the summary of the run."""
    return summary.MEASURED


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LevelScheduling:
    """Where several processes run the tests: which test runs in which."""
    return LevelScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In one process the lowest level first: what fails there fails again above, where the cause is harder to see.

    In several, the order in which they take groups of tests. The time limit is for the test alone: a level that starts may have to build a
    program first, and has deadlines of its own.
    """
    own = [item for item in items if summary.is_here(item)]
    for item in own:
        item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True), append=False)
    is_one_of_several = hasattr(config, "workerinput")
    own.sort(key=lambda item: position_of(item.nodeid) if is_one_of_several else summary.ORDER.index(summary.level_of(item)))
    items[:] = [*(item for item in items if not summary.is_here(item)), *own]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Every report takes along what was measured, and after a failure the components' logs."""
    report = yield
    summary.complete(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the summary."""
    for line in summary.lines(terminalreporter.stats):
        terminalreporter.write_line(line)
