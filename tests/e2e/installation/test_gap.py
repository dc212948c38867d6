"""Restarts, scaling, upgrades and a crash of the running Deployment, under load: which pods miss the webhook."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import pytest

from manifests.rendering import NAME
from testbed.wait import until
from tests.e2e.installation.creations import FAIL_OPEN, counted, creating, without_a_gap
from tests.e2e.installation.installation import SECONDS
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from tests.e2e.installation.installation import Installation

CHANGED: Final = {"settings": {"wait_seconds": 61}, "webhook": {"timeoutSeconds": 12}}
NOTICED_SECONDS: Final = 20
"""From a container's end to a Service without it, on a busy machine: kubelet and kube-proxy each act once a second."""


@pytest.fixture(scope="module")
def installed(installation: Installation) -> Iterator[Installation]:
    with installation.installed():
        yield installation


@pytest.fixture(scope="module")
def tasks(installed: Installation) -> Iterator[str]:
    """A namespace that opted in."""
    with namespace_on(installed.level, "gap") as namespace:
        until(lambda: installed.patches(namespace.name), "pods are patched", SECONDS)
        yield namespace.name


@pytest.fixture
def api(installed: Installation) -> ApiClient:
    return installed.level.api


def test_a_rolling_restart_misses_no_pod(installed: Installation, tasks: str, api: ApiClient) -> None:
    before = {pod["metadata"]["name"] for pod in installed.pods()}
    with without_a_gap(api, tasks):
        installed.kubectl("--namespace", NAME, "rollout", "restart", "deployment", NAME)
        installed.wait_until_ready()
    assert not before & {pod["metadata"]["name"] for pod in installed.pods()}


def test_scaling_from_1_to_3_to_1_misses_no_pod(installed: Installation, tasks: str, api: ApiClient) -> None:
    with without_a_gap(api, tasks):
        for replicas in (1, 3, 1, 2):
            installed.kubectl("--namespace", NAME, "scale", f"--replicas={replicas}", "deployment", NAME)
            installed.wait_until_ready(replicas)


def test_a_chart_upgrade_and_its_rollback_miss_no_pod(installed: Installation, tasks: str, api: ApiClient) -> None:
    with without_a_gap(api, tasks):
        installed.helm("upgrade", **CHANGED)
        installed.wait_until_ready()
        assert installed.webhook()["timeoutSeconds"] == 12
        installed.helm("rollback")
        installed.wait_until_ready()
        assert installed.webhook()["timeoutSeconds"] == 10


def test_a_restart_of_the_api_server_misses_no_pod(installed: Installation, tasks: str, api: ApiClient) -> None:
    with creating(api, tasks) as creations:
        installed.level.server.stop(signal.SIGKILL)
        installed.level.server.start()

    assert creations.unanswered
    assert (creations.refused, creations.unpatched) == ([], [])
    assert counted(api, FAIL_OPEN) == 0


def test_a_replica_that_is_killed_misses_pods_at_most_until_the_service_is_without_it(
    installed: Installation, tasks: str, api: ApiClient, measured: list[str]
) -> None:
    """Its requests in flight are lost, and until its address leaves the Service, half of all new connections are refused.

    The API server does not retry a webhook that it cannot reach, and no webhook can change that: under Fail it refuses those pods.
    """
    before = counted(api, FAIL_OPEN)
    with creating(api, tasks) as creations:
        killed = time.monotonic()
        installed.kill_one(signal.SIGKILL)
        until(lambda: installed.ready_addresses() == 1, "the Service is without it", SECONDS)
        without_it = time.monotonic()
        # The Deployment's own status may be out of date.
        until(lambda: installed.ready_addresses() == 2, "the replica is back", SECONDS)
    lost = creations.unpatched

    measured.append(
        f"{without_it - killed:7.1f} s from kill -9 to a Service without it; {len(lost)} of {len(creations.pods)} pods unpatched"
    )
    assert (creations.unanswered, creations.refused) == ([], [])
    assert all(killed <= pod.ended and pod.began <= without_it + NOTICED_SECONDS for pod in lost)
    assert counted(api, FAIL_OPEN) - before == len(lost)
