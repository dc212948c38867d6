"""The levels of the proving ground: each is started once, when the first test asks for it, and ended after the last."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from cluster import binaries, prerequisites
from cluster.api_server import ALONE, OLD, ApiServer
from cluster.host import Host
from cluster.machine import Machine
from cluster.mesh import LEGACY, Mesh
from cluster.node import Node
from cluster.recorder import Recorder
from cluster.wait import until
from cluster.webhook import OPTED_IN, Webhook
from tests.cluster.registration import NAMESPACE, is_patched, registered

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from cluster.api import Api
    from cluster.binaries import Program
    from cluster.place import Place

STARTED: Final[dict[str, float]] = {}
"""Seconds that each level took to start."""

LOGS: Final[set[Path]] = set()
"""The folders of the logs of every level that was started."""

NODE_PROGRAMS: Final = (
    binaries.KUBE_APISERVER,
    binaries.KUBE_CONTROLLER_MANAGER,
    binaries.KUBE_SCHEDULER,
    binaries.KUBELET,
    binaries.KUBE_PROXY,
    binaries.ETCD,
)

MESH_PROGRAMS: Final = (binaries.PILOT_DISCOVERY, binaries.PILOT_AGENT, binaries.HELM)

SOON_SECONDS: Final = 20
TEST_SECONDS: Final = 600
TOLD_LINES: Final = 20
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Level:
    """An API server with the webhook registered.

    Args:
        place: Where its components run.
        server: The API server.
        webhook: The webhook that it calls.

    """

    place: Place
    server: ApiServer
    webhook: Webhook

    @property
    def api(self) -> Api:
        """An admin's client."""
        return self.server.api


@dataclass(frozen=True, slots=True)
class NodeLevel(Level):
    """A cluster of one node, with the webhook registered.

    Args:
        node: The node.
        recorder: What happens to its pods.

    """

    node: Node
    recorder: Recorder


@contextmanager
def starting(level: str, place: Place) -> Iterator[None]:
    """Note how long a level takes to start, and where its logs are."""
    began = time.monotonic()
    LOGS.add(place.logs)
    yield
    STARTED[level] = time.monotonic() - began


@contextmanager
def api_server_level(name: str, options: Sequence[str], program: Program = binaries.KUBE_APISERVER) -> Iterator[Level]:
    """An API server alone, with the webhook."""
    for needed in (program, binaries.ETCD):
        find(needed)
    place = Host()
    with ExitStack() as ends:
        with starting(name, place):
            ends.callback(place.end)
            server = ApiServer(place, (*ALONE, *options), program)
            ends.callback(server.end)
            webhook = Webhook(place)
            ends.callback(webhook.end)
            ends.enter_context(registered(server.api, webhook.configuration(), is_patched))
        yield Level(place, server, webhook)


def find(program: Program) -> Path:
    """A program, or a skip that says what is missing."""
    try:
        return binaries.find(program)
    except binaries.NoGoError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def api_server() -> Iterator[Level]:
    """The pinned Kubernetes."""
    with api_server_level("API server", ()) as level:
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
def node_level() -> Iterator[NodeLevel]:
    """A node, with the webhook."""
    reason = prerequisites.lacking()
    if reason:
        pytest.skip(reason)
    for program in NODE_PROGRAMS:
        find(program)
    machine = Machine()
    with ExitStack() as ends:
        with starting("node", machine):
            ends.callback(machine.end)
            node = Node(machine)
            ends.callback(node.end)
            webhook = Webhook(machine)
            ends.callback(webhook.end)
            ends.enter_context(namespace_named(node.api, NAMESPACE))
            wait_for_service_account(node.api, NAMESPACE)
            ends.enter_context(registered(node.api, webhook.configuration(), is_patched))
        yield NodeLevel(machine, node.server, webhook, node, Recorder(node.api))


@pytest.fixture(scope="session")
def node() -> Iterator[NodeLevel]:
    """One node."""
    with node_level() as level:
        yield level


@pytest.fixture(scope="session")
def mesh(node: NodeLevel) -> Iterator[Mesh]:
    """Istio on the node, with sidecars as regular containers."""
    for program in MESH_PROGRAMS:
        find(program)
    with starting("mesh", node.place):
        istio = Mesh(node.node, LEGACY)
    yield istio
    istio.end()


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
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**OPTED_IN, **labels}}})
    try:
        yield
    finally:
        api.delete(f"/api/v1/namespaces/{name}")


def wait_for_service_account(api: Api, namespace: str) -> None:
    """Until a namespace takes pods: where controllers run, it gets its service account a moment after it was made."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    until(lambda: api.request("GET", path).is_success, f"{namespace} has its service account", SOON_SECONDS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit is a test's own: a level that starts may have to build a program first, and waits with deadlines of its own."""
    for item in items:
        if item.nodeid.startswith("tests/cluster/"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows the end of every component's log."""
    report = yield
    if report.failed:
        for path in sorted(path for folder in LOGS for path in folder.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-TOLD_LINES:]
            report.sections.append((f"the end of {path}", "\n".join(lines)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each level took to start, and its tests."""
    for level, seconds in STARTED.items():
        terminalreporter.write_line(f"{seconds:7.1f} s to start: {level}")
    reports = [
        report
        for report in itertools.chain.from_iterable(terminalreporter.stats.values())
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith("tests/cluster/")
    ]
    for level in sorted({_level(report) for report in reports}):
        own = [report for report in reports if _level(report) == level]
        tests = sum(report.when == "call" for report in own)
        seconds = sum(report.duration for report in own)
        terminalreporter.write_line(f"{seconds:7.1f} s for {tests} tests: tests/cluster/{level}")


def _level(report: pytest.TestReport) -> str:
    return report.nodeid.split("/")[2]
