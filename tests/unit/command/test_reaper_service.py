"""``reaper`` without ``--once``: a process that watches a fake API server until SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

import pytest

from testbed import wait
from tests.support.fake_lease_api import FakeLeaseApi
from tests.support.fake_task_cluster import FakeTaskCluster, PortListener, end_of, fake_task_cluster
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.command.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject

SECONDS: Final = 120
"""Longer than a busy machine takes; only a failing test reaches it."""


@dataclass
class ReaperProcess:
    """The process, and its log."""

    process: subprocess.Popen[str]
    lines: list[JSONObject] = field(default_factory=list)

    def read(self) -> None:
        """Read the log to its end."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def get(self, path: str) -> str:
        """What its health port answers."""
        wait.until(lambda: "listening" in self.events(), "it listens", SECONDS)
        (port,) = [line["port"] for line in self.lines if line["event"] == "listening"]
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as response:
            return str(response.read().decode())


@contextmanager
def running(cluster: FakeTaskCluster, folder: Path, *arguments: str) -> Iterator[ReaperProcess]:
    """The process on this cluster, which gets SIGTERM at the end of the block."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(cluster.url, "here"), "utf-8")
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "AIRFLOW_SIDECAR_WEBHOOK__HEALTH_PORT": "0"}
    command = [sys.executable, "-m", "webhook", "reaper", "-n", "airflow", "--grace", "0", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        reaper = ReaperProcess(process)
        reading = threading.Thread(target=reaper.read, daemon=True)
        reading.start()
        try:
            yield reaper
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == ExitCode.DONE
        finally:
            process.kill()
            reading.join(SECONDS)


def test_it_ends_pods_until_sigterm_and_then_lets_another_replica_go_on(tmp_path: Path) -> None:
    with fake_task_cluster() as cluster:
        cluster.lease = FakeLeaseApi("default", "airflow-sidecar-webhook-reaper")
        cluster.listeners["sales", 15020] = PortListener(200, end_of("istio-proxy"))
        cluster.add(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO))
        with running(cluster, tmp_path) as reaper:
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
        with running(cluster, tmp_path, "--dry-run", *arguments) as reaper:
            wait.until(lambda: cluster.events, "it is reported", SECONDS)
        assert (cluster.quits, cluster.phase("sales")) == ([], "Running")
    assert reaper.lines[0]["observing"] is True
