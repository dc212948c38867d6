"""Somebody deletes the pod: the kubelet sends TERM to the task and to the proxy at once, and KILL after the grace period."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.mesh.task import ended, is_from_envoy, request
from tests.e2e.node.pods import operator_pod, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace

GRACE_SECONDS: Final = 60
NEVER_READY: Final = {"proxy.istio.io/config": '{"discoveryAddress": "127.0.0.1:9"}'}


@pytest.fixture(scope="module")
def pods(namespace: PodNamespace, task_image: str, web: str) -> Iterator[None]:
    """One whose task runs, and one whose task waits for its proxy in vain; deleted in the end, whichever tests were run."""
    on_term = f"sleep 0.3; {request(web)}; exit 7"
    running = shell(task_image, f"trap '{on_term}' TERM; echo runs; while :; do sleep 0.1; done")
    waiting = shell(task_image, "exit 0", terminationMessagePolicy="FallbackToLogsOnError")
    namespace.create(operator_pod(namespace.name, "running", running))
    namespace.create(operator_pod(namespace.name, "waiting", waiting, annotations=NEVER_READY))
    yield
    for name in ("running", "waiting"):
        namespace.delete(name, 1)


@pytest.mark.usefixtures("pods")
def test_a_task_that_gets_term_still_reaches_its_server_and_keeps_its_code(namespace: PodNamespace) -> None:
    namespace.wait_for_log("running", "runs")
    began = time.monotonic()
    namespace.delete("running", GRACE_SECONDS)

    gone = namespace.gone("running")
    base = ended(gone, "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == 7
    assert ended(gone, "istio-proxy")["exitCode"] == 0
    # The agent drains for 5 s after a TERM (terminationDrainDuration); nobody had to be killed.
    assert gone.seconds - began < GRACE_SECONDS


@pytest.mark.usefixtures("pods")
def test_a_task_that_still_waits_for_its_proxy_is_never_started(namespace: PodNamespace) -> None:
    namespace.wait_for_log("waiting", "Envoy proxy is NOT ready", "istio-proxy")
    namespace.delete("waiting", GRACE_SECONDS)

    base = ended(namespace.gone("waiting"), "base")
    assert base["exitCode"] == 143
    assert "received SIGTERM before the task was started" in base["message"]
