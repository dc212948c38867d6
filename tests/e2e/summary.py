"""What a run prints after its tests: seconds for each level, and what tests and levels measured.

Several processes may run the tests. The reports of tests carry what was measured to the process that prints.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HERE: Final = "tests/e2e/"
ORDER: Final = ("harness", "release", "api_server", "node", "installation", "mesh", "airflow")
"""The levels, lowest first."""

LOGS: Final[set[Path]] = set()
"""The log folders of every level that this process started."""

MEASURED: Final[list[str]] = []
"""Lines for the summary; the next report of a test takes them along."""

PROPERTY: Final = "measured"
"""The name of the user property of a report that holds such a line."""

LOG_LINES: Final = 20
"""Lines of each component's log in the report of a failed test."""


def is_here(of: pytest.Item | pytest.TestReport) -> bool:
    """Whether a test is one of this folder's."""
    return of.nodeid.startswith(HERE)


def level_of(of: pytest.Item | pytest.TestReport) -> str:
    """The level of one of this folder's tests: its folder."""
    return of.nodeid.split("/")[2]


def complete(report: pytest.TestReport) -> None:
    """Add to a report what was measured so far and, where the test failed, the end of every component's log."""
    report.user_properties += [(PROPERTY, line) for line in MEASURED]
    MEASURED.clear()
    if report.failed:
        for path in sorted(path for folder in LOGS for path in folder.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
            report.sections.append((f"the end of {path}", "\n".join(lines)))


def lines(stats: dict[str, list[object]]) -> Iterator[str]:
    """The lines of the summary. ``stats``: the reports of the run, by outcome, as pytest's terminal reporter has them."""
    reports = list(_own(itertools.chain.from_iterable(stats.values())))
    yield from (str(value) for report in reports for name, value in report.user_properties if name == PROPERTY)
    for level in sorted({level_of(report) for report in reports}, key=ORDER.index):
        own = [report for report in reports if level_of(report) == level]
        tests = sum(report.when == "call" for report in own)
        seconds = sum(report.duration for report in own)
        yield f"{seconds:7.1f} s for {tests} tests: {HERE}{level}"


def _own(reports: Iterable[object]) -> Iterator[pytest.TestReport]:
    return (report for report in reports if isinstance(report, pytest.TestReport) and is_here(report))
