"""What `doctor -A` costs beside many pods: `python -m benchmarks.doctor`, a minute, against a stand-in API server that serves pages.

The stand-in is a thread of this program, and encodes each pod as it is requested. One pod in a hundred is stuck.
Exit status: 0 when every target was met, 1 when one was missed, 2 without figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from benchmarks.output import MISSED, NO_FIGURES, progress
from demo.simulated_injectors import inject_istio
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import RUNNING, ended
from tests.support.pods import load
from webhook.command.exit_code import ExitCode
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

KIBIBYTES_OF_A_MEBIBYTE: Final = 1024
"""``ru_maxrss`` is in kibibytes (getrusage(2))."""

NAMESPACES: Final = 100
MOST_SECONDS: Final = 60.0
MOST_MEBIBYTES: Final = 150.0


class DoctorError(Exception):
    """A run failed."""


@dataclass(frozen=True)
class FleetCost:
    """What one run took.

    Args:
        seconds: From the start of the process to its end.
        processor_seconds: Of the process.
        peak_mebibytes: Its largest resident memory.
        stuck: How many pods it found stuck.

    """

    seconds: float
    processor_seconds: float
    peak_mebibytes: float
    stuck: int


class StandInFleet(ThreadingHTTPServer):
    """An API server whose namespaces have so many pods. It shows nothing about a real one."""

    daemon_threads = True

    def __init__(self, pods: int, stuck_every: int) -> None:
        """Have so many pods in all, of which one in so many is stuck."""
        super().__init__(("127.0.0.1", 0), _FleetHandler)
        self.pods, self.stuck_every, self._pod = pods, stuck_every, istio_pod()

    def pod(self, namespace: str, number: int) -> JSONObject:
        """The pod of this number."""
        state = ended() if number % self.stuck_every == 0 else RUNNING
        states = [(one["name"], state if one["name"] == "base" else RUNNING) for one in self._pod["spec"]["containers"]]
        statuses = [{"name": name, "state": state, "containerID": f"containerd://{name}"} for name, state in states]
        metadata = {**self._pod["metadata"], "namespace": namespace, "name": f"task-{number}", "uid": f"uid-{number}"}
        return {**self._pod, "metadata": metadata, "status": {"phase": "Running", "containerStatuses": statuses}}

    def page(self, namespace: str, begin: int, size: int) -> JSONObject:
        """A page of the pods of a namespace."""
        place, count = int(namespace.rpartition("-")[2]), self.pods // NAMESPACES
        numbers = range(place * count, (place + 1) * count)[begin : begin + size]
        following = str(begin + size) if begin + size < count else ""
        return {"metadata": {"continue": following}, "items": [self.pod(namespace, number) for number in numbers]}


class _FleetHandler(BaseHTTPRequestHandler):
    server: StandInFleet
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = json.dumps(self._found(url.path, query)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _found(self, path: str, query: dict[str, str]) -> JSONObject:
        if path == "/api/v1/namespaces":
            return {"metadata": {}, "items": [{"metadata": {"name": f"tasks-{number}"}} for number in range(NAMESPACES)]}
        if path in {NODES_PATH, CONFIGURATIONS_PATH}:
            return {"metadata": {}, "items": []}
        if path == VERSION_PATH:
            return {"gitVersion": "v1.34.2"}
        return self.server.page(path.split("/")[4], int(query.get("continue", "0")), int(query["limit"]))


def istio_pod() -> JSONObject:
    """A pod that Airflow's executor created and Istio injected into."""
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = '{"treatment": "wrapped", "reason": "sidecars-quit"}'
    return pod


@contextmanager
def stand_in(pods: int, stuck_every: int) -> Iterator[str]:
    """Its URL, for the time of the block."""
    server = StandInFleet(pods, stuck_every)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def one_run(url: str, directory: Path) -> FleetCost:
    """Run the command as a process of its own. DoctorError."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(url, "stand-in"), "utf-8")
    command = [sys.executable, "-m", "webhook", "doctor", "-A", "-o", "json"]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(command, stdout=output, env={**os.environ, "KUBECONFIG": str(kubeconfig)}) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        output.seek(0)
        report = json.load(output)
    if process.returncode != ExitCode.PROBLEM or not report["is_complete"]:
        message = f"exit code {process.returncode}: {json.dumps(report)[:200]}"
        raise DoctorError(message)
    return FleetCost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / KIBIBYTES_OF_A_MEBIBYTE, len(report["stuck_pods"]))


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help=f"Running task pods in {NAMESPACES} namespaces (10000)")
    parser.add_argument("--stuck-every", type=int, default=100, help="one pod in so many is stuck (100)")
    parser.add_argument("--runs", type=int, default=3, help="runs (3)")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory, stand_in(given.pods, given.stuck_every) as url:
            costs = [one_run(url, Path(directory)) for _ in range(given.runs)]
    except DoctorError as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    seconds, peak = median(one.seconds for one in costs), max(one.peak_mebibytes for one in costs)
    print(f"doctor -A over {given.pods} pods in {NAMESPACES} namespaces, {costs[0].stuck} of them stuck; the median of {len(costs)} runs:")
    print(f"  {seconds:.1f} s, {median(one.processor_seconds for one in costs):.1f} s of a processor, {peak:.0f} MiB at most")
    return MISSED if seconds > MOST_SECONDS or peak > MOST_MEBIBYTES else 0


if __name__ == "__main__":
    sys.exit(main())
