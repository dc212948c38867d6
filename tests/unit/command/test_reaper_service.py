"""``reaper`` without ``--once``: a process that watches a fake API server until SIGTERM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import wait
from tests.support.fake_lease_api import FakeLeaseApi
from tests.support.fake_task_cluster import PortListener, end_of, fake_task_cluster
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.reaper_service import SECONDS, reaper_service

if TYPE_CHECKING:
    from pathlib import Path


def test_it_ends_pods_until_sigterm_and_then_lets_another_replica_go_on(tmp_path: Path) -> None:
    with fake_task_cluster() as cluster:
        cluster.lease = FakeLeaseApi("default", "airflow-sidecar-webhook-reaper")
        cluster.listeners["sales", 15020] = PortListener(200, end_of("istio-proxy"))
        cluster.add(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO))
        with reaper_service(cluster, tmp_path) as reaper:
            wait.until(lambda: len(cluster.events) == 2, "the pod ends, and that is reported", SECONDS)
            assert (reaper.get("/healthz"), reaper.get("/readyz")) == ("ok\n", "ok\n")
            assert 'airflow_sidecar_webhook_reaper_acts_total{method="quit",outcome="accepted",sidecar="istio"} 1.0' in reaper.get(
                "/metrics"
            )
        assert cluster.phase("sales") == "Succeeded"
        assert cluster.lease.holder == ""
    events = reaper.events()
    assert (events[0], events[-2:], {"lease taken", "act", "pod"} <= set(events)) == ("starting", ["stopping", "stopped"], True)


@pytest.mark.parametrize(
    ("lease", "arguments"),
    [("airflow-sidecar-webhook-reaper-dry-run", ()), ("mine", ("--lease", "mine"))],
    ids=["a Lease of its own", "a Lease by name"],
)
def test_it_does_nothing_in_a_dry_run_and_without_a_name_takes_no_lease_from_a_controller_that_acts(
    lease: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with fake_task_cluster() as cluster:
        cluster.lease = FakeLeaseApi("default", lease)
        cluster.add(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO))
        with reaper_service(cluster, tmp_path, "--dry-run", *arguments) as reaper:
            wait.until(lambda: cluster.events, "it is reported", SECONDS)
        assert (cluster.quits, cluster.phase("sales")) == ([], "Running")
    assert reaper.lines[0]["observing"] is True
