"""The levels of the test bed as tests start them: skipped where a program is missing, timed, their logs part of a failed test's report."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from testbed import binaries, levels, prerequisites
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from tests.e2e.namespaces import namespace_named
from tests.e2e.registration import NAMESPACE, is_patched, registered
from tests.e2e.summary import LOGS, MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.binaries import Program
    from testbed.levels import Level, NodeLevel


@contextmanager
def timed_start(level: str) -> Iterator[None]:
    """Put the seconds that a level takes to start into the summary of the run."""
    began = time.monotonic()
    yield
    MEASURED.append(f"{time.monotonic() - began:7.1f} s to start: {level}")


def require(*programs: Program) -> None:
    """Build the programs that are missing. Without Go the test is skipped, with the reason."""
    try:
        for program in programs:
            binaries.find(program)
    except binaries.NoGoError as error:
        pytest.skip(str(error))


@contextmanager
def api_server_level(name: str, options: Sequence[str] = (), program: Program = binaries.KUBE_APISERVER) -> Iterator[Level]:
    """An API server without a node, with the webhook registered."""
    require(program, binaries.ETCD)
    with ExitStack() as ends:
        with timed_start(name):
            level = ends.enter_context(levels.api_server(options, program))
            LOGS.add(level.place.logs)
            ends.enter_context(registered(level.api, level.webhook.configuration(), is_patched))
        yield level


@contextmanager
def bare_node_level(name: str) -> Iterator[NodeLevel]:
    """A node without a registered webhook."""
    if reason := prerequisites.missing():
        pytest.skip(reason)
    require(*levels.OF_API_SERVER, *levels.OF_NODE)
    with ExitStack() as ends:
        with timed_start(name):
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
