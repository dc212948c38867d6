"""Runs the reaper's command line against a cluster, and pods for it whose statuses a test writes."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.api import path_of
from testbed.process import Process
from testbed.wait import until
from tests.e2e.registration import task_pod
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

SECONDS: Final = 300
"""Longer than a pass over some pods takes, each with its drain and its pauses."""

FAILED: Final[JSONObject] = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T10:10:00Z", "startedAt": "2026-01-01T10:00:00Z"}}
SUCCEEDED: Final[JSONObject] = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T10:10:00Z", "startedAt": "2026-01-01T10:00:00Z"}}
RUNNING: Final[JSONObject] = {"running": {"startedAt": "2026-01-01T10:00:00Z"}}
PROXY: Final[JSONObject] = {"name": "istio-proxy", "image": "istio/proxyv2:1.20.0"}


def reap(kubeconfig: Path, *arguments: str) -> JSONObject:
    """One pass with this kubeconfig: its report, with the exit code as ``code``."""
    command = [sys.executable, "-m", "webhook", "reaper", "--once", "-o", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment(kubeconfig))
    assert done.stderr == "", done.stderr
    report: JSONObject = json.loads(done.stdout)
    return report | {"code": done.returncode}


def environment(kubeconfig: Path) -> dict[str, str]:
    """That of the command with this kubeconfig, and no settings but a health port of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**clean, "KUBECONFIG": str(kubeconfig), f"{PREFIX}HEALTH_PORT": "0"}


def pods_of(report: JSONObject) -> dict[str, JSONObject]:
    """The pods of a report, by name."""
    return {pod["name"]: pod for pod in report["pods"]}


class WatchingReaper:
    """The controller as a process, and its log."""

    def __init__(self, process: Process) -> None:
        """Read the log of this process."""
        self._process = process

    @property
    def lines(self) -> list[JSONObject]:
        """The lines of the log."""
        # The last one may be half written.
        *whole, _ = self._process.log.read_text("utf-8").split("\n")
        return [json.loads(line) for line in whole]

    def logged(self, event: str, **fields: object) -> list[JSONObject]:
        """The lines of this event with these fields."""
        return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]

    def until_logged(self, event: str, **fields: object) -> JSONObject:
        """The first line of this event with these fields. TimeoutError."""
        return until(lambda: self.logged(event, **fields), f"{event} with {fields} is logged", SECONDS)[0]

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        return self._process.end(with_signal)


@contextmanager
def watching_reaper(level: Level, name: str, kubeconfig: Path, *arguments: str) -> Iterator[WatchingReaper]:
    """A controller with this kubeconfig, which ends with the block; ``name`` is that of its log."""
    log = level.place.logs / f"{name}.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "webhook", "reaper", *arguments]
    process = Process(name, command, log, {**environment(kubeconfig)})
    try:
        yield WatchingReaper(process)
    finally:
        process.end()


def ended_pod(level: Level, namespace: str, name: str, base: JSONObject, *, is_airflows: bool = True, phase: str = "Running") -> JSONObject:
    """A pod with a proxy that runs on, its status written by the test."""
    pod = task_pod(namespace, name)
    pod["spec"]["containers"].append(copy.deepcopy(PROXY))
    pod["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}", "airflow-sidecar-webhook/status": "{}"}
    if not is_airflows:
        pod["metadata"]["labels"] = {"app": "web"}
    made = level.api.create(pod)
    states = [
        {"name": one, "state": state, "image": "", "imageID": "", "ready": False, "restartCount": 0, "containerID": f"containerd://{one}"}
        for one, state in (("base", base), ("istio-proxy", RUNNING))
    ]
    status = {"phase": phase, "startTime": "2026-01-01T10:00:00Z", "containerStatuses": states}
    return level.api.patch(f"{path_of(made)}/status", {"status": status})


def kubeconfig_of(level: Level, user: str) -> Path:
    kubeconfig = level.server.credentials.kubeconfig(level.server.server, user)
    # To the Kubernetes client the colons of the name would be between the paths of several files.
    return kubeconfig.replace(kubeconfig.with_name(f"{user.rpartition(':')[2]}.kubeconfig"))
