"""The levels of the proving ground: each is started once, when the first test asks for it, and ended after the last."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed import binaries, levels, prerequisites
from testbed.api_server import OLD
from testbed.manifest import OPTED_IN
from testbed.mesh import LEGACY
from testbed.namespace import SERVICE_ACCOUNT, make_namespace, wait_until_ready
from tests.e2e.level_scheduling import LevelScheduling
from tests.e2e.registration import NAMESPACE, is_patched, registered

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from xdist.remote import Producer

    from testbed.api import Api
    from testbed.binaries import Program
    from testbed.levels import Level, NodeLevel
    from testbed.mesh import Mesh

LOGS: Final[set[Path]] = set()
"""The folders of the logs of every level that was started."""

MEASURED: Final[list[str]] = []
"""What the summary of the run is to tell beside the tests; the next report of a test takes it along, from whichever process that runs in."""

TOLD: Final = "told"
"""Under this name a report has it."""

OURS: Final = "tests/e2e/"
ORDER: Final = ("harness", "api_server", "node", "installation", "mesh", "airflow")
TEST_SECONDS: Final = 900
TOLD_LINES: Final = 20
_numbers = itertools.count()


@contextmanager
def starting(level: str) -> Iterator[None]:
    """Note how long a level takes to start."""
    began = time.monotonic()
    yield
    MEASURED.append(f"{time.monotonic() - began:7.1f} s to start: {level}")


@contextmanager
def api_server_level(name: str, options: Sequence[str] = (), program: Program = binaries.KUBE_APISERVER) -> Iterator[Level]:
    """An API server alone, with the webhook registered."""
    find(program, binaries.ETCD)
    with ExitStack() as ends:
        with starting(name):
            level = ends.enter_context(levels.api_server(options, program))
            LOGS.add(level.place.logs)
            ends.enter_context(registered(level.api, level.webhook.configuration(), is_patched))
        yield level


def find(*programs: Program) -> None:
    """Have the programs, or skip with what is missing."""
    try:
        for program in programs:
            binaries.find(program)
    except binaries.NoGoError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def api_server() -> Iterator[Level]:
    """The pinned Kubernetes."""
    with api_server_level("API server") as level:
        yield level


@pytest.fixture(scope="session")
def old_api_server() -> Iterator[Level]:
    """A cluster without native sidecars, by emulation."""
    with api_server_level("API server, old by emulation", OLD) as level:
        yield level


@pytest.fixture(scope="session")
def newest_api_server() -> Iterator[Level]:
    """The newest minor version that is pinned."""
    with api_server_level("API server, newest minor", (), binaries.NEWEST_KUBE_APISERVER) as level:
        yield level


@contextmanager
def bare_node_level(name: str) -> Iterator[NodeLevel]:
    """A node that knows of no webhook."""
    if reason := prerequisites.lacking():
        pytest.skip(reason)
    find(*levels.OF_API_SERVER, *levels.OF_NODE)
    with ExitStack() as ends:
        with starting(name):
            level = ends.enter_context(levels.node())
            LOGS.add(level.place.logs)
        yield level


@contextmanager
def node_level() -> Iterator[NodeLevel]:
    """A node, with the webhook registered."""
    with bare_node_level("node") as level, namespace_named(level.api, NAMESPACE):
        wait_until_ready(level.api, NAMESPACE, SERVICE_ACCOUNT)
        with registered(level.api, level.webhook.configuration(), is_patched):
            yield level


@pytest.fixture(scope="session")
def node() -> Iterator[NodeLevel]:
    """One node."""
    with node_level() as level:
        yield level


@pytest.fixture(scope="session")
def mesh(node: NodeLevel) -> Iterator[Mesh]:
    """Istio on the node, with sidecars as regular containers."""
    find(*levels.OF_MESH)
    with ExitStack() as ends:
        with starting("mesh"):
            istio = ends.enter_context(levels.mesh(node.node, LEGACY))
        yield istio


@pytest.fixture(scope="session", params=["api_server", "old_api_server", "newest_api_server"])
def any_api_server(request: pytest.FixtureRequest) -> Level:
    """Each of them in turn."""
    level: Level = request.getfixturevalue(request.param)
    return level


@contextmanager
def new_namespace(api: Api, name: str, **labels: str) -> Iterator[str]:
    """A namespace that opted in, for one test."""
    name = f"{name}-{next(_numbers)}"
    with namespace_named(api, name, **labels):
        yield name


@contextmanager
def namespace_named(api: Api, name: str, **labels: str) -> Iterator[None]:
    """A namespace that opted in."""
    make_namespace(api, name, {**OPTED_IN, **labels})
    try:
        yield
    finally:
        api.delete(f"/api/v1/namespaces/{name}")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LevelScheduling:
    """Where several processes run the tests."""
    return LevelScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lowest level first: what fails there fails again above, and is told there more plainly.

    The limit is a test's own: a level that starts may have to build a program first, and waits with deadlines of its own.
    """
    own = [item for item in items if item.nodeid.startswith(OURS)]
    for item in own:
        item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True), append=False)
    own.sort(key=lambda item: ORDER.index(_level(item)))
    items[:] = [*(item for item in items if not item.nodeid.startswith(OURS)), *own]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report takes along what was measured; of a test that failed, the end of every component's log."""
    report = yield
    report.user_properties += [(TOLD, line) for line in MEASURED]
    MEASURED.clear()
    if report.failed:
        for path in sorted(path for folder in LOGS for path in folder.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-TOLD_LINES:]
            report.sections.append((f"the end of {path}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def measured() -> list[str]:
    """Lines for the summary of the run."""
    return MEASURED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, and how long the tests of each level took."""
    reports = [
        report
        for report in itertools.chain.from_iterable(terminalreporter.stats.values())
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith(OURS)
    ]
    for line in [value for report in reports for name, value in report.user_properties if name == TOLD]:
        terminalreporter.write_line(str(line))
    for level in sorted({_level(report) for report in reports}, key=ORDER.index):
        own = [report for report in reports if _level(report) == level]
        tests = sum(report.when == "call" for report in own)
        seconds = sum(report.duration for report in own)
        terminalreporter.write_line(f"{seconds:7.1f} s for {tests} tests: tests/e2e/{level}")


def _level(of: pytest.Item | pytest.TestReport) -> str:
    return of.nodeid.split("/")[2]
