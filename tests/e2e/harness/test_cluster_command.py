"""`make cluster` and `make cluster-stop`, by the commands that they run and print."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from testbed import prerequisites, standing
from testbed.wait import until
from tests.e2e.harness.host import host

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 600


@pytest.fixture(autouse=True)
def _can_stand() -> Iterator[None]:
    if reason := prerequisites.missing():
        pytest.skip(reason)
    if standing.standing():
        pytest.skip("a cluster is up already: `make cluster-stop` ends it")
    yield
    standing.stop()


def cluster(*arguments: str) -> str:
    """The output of `python -m testbed` with these arguments."""
    command = [sys.executable, "-m", "testbed", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout


def shell(*lines: str) -> str:
    """The output of these lines in one shell."""
    return subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout


def test_the_printed_commands_work_and_the_stop_leaves_nothing_behind() -> None:
    before = host()
    export, create, get, create_stuck, explain = (line.strip() for line in cluster("start", "node").splitlines() if line.startswith("  "))
    shell(export, create)
    kubectl = get.partition(" ")[0]
    failed = f"{kubectl} wait pod first --namespace tasks --for=jsonpath={{.status.phase}}=Failed --timeout=120s"
    code = f"{kubectl} get pod first --namespace tasks -o 'jsonpath={{.status.containerStatuses[?(@.name==\"base\")].state.terminated.exitCode}}'"
    assert shell(export, failed, code).endswith("3")
    shell(export, create_stuck)
    until(lambda: "exit code 3 " in shell(export, f"{explain} || :"), "the task of the pod that gets stuck has ended", SECONDS)
    assert "\n  webhook      not treated (switched-off): " in shell(export, f"{explain} || :")
    assert "\n  running      istio-proxy (sidecar), " in shell(export, f"{explain} || :")
    assert standing.standing()
    assert cluster("stop") == "the cluster is gone\n"
    assert standing.standing() is None
    assert host() == before
    assert cluster("stop") == "no cluster is up\n"
