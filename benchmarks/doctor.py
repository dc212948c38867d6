"""What `doctor -A` and `report -A` cost beside many pods: `python -m benchmarks.doctor`, two minutes, on a stand-in API server.

The stand-in is a thread of this program, and encodes each pod as it is requested. One pod in a hundred is stuck.
Exit status: 0 when every target was met, 1 when one was missed, 2 without figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from benchmarks.output import MISSED, NO_FIGURES, progress, write_figures
from benchmarks.program_cost import run_program
from benchmarks.report import table
from benchmarks.running_pods import BEGAN, STUCK_EVERY, istio_pod, named, states_of
from tests.support.kubeconfigs import kubeconfig_for
from webhook.command.exit_code import ExitCode
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.program_cost import ProgramCost
    from tests.support.json_object import JSONObject

NAMESPACES: Final = 100
MOST_SECONDS: Final = 60.0
MOST_MEBIBYTES: Final = 150.0


COMMANDS: Final = {"doctor": ExitCode.PROBLEM, "report": ExitCode.DONE}
"""Each reads all namespaces; how it ends where pods are stuck."""


class DoctorRunError(Exception):
    """A run failed."""


class StandInFleet(ThreadingHTTPServer):
    """An API server whose namespaces have so many pods. It shows nothing about a real one."""

    daemon_threads = True

    def __init__(self, pods: int, stuck_every: int) -> None:
        """Have so many pods in all, of which one in so many is stuck."""
        super().__init__(("127.0.0.1", 0), _FleetHandler)
        self.pods, self.stuck_every, self._pod = pods, stuck_every, istio_pod()
        self.requests = 0

    def page(self, namespace: str, begin: int, size: int) -> JSONObject:
        """A page of the pods of a namespace."""
        place, count = int(namespace.rpartition("-")[2]), self.pods // NAMESPACES
        numbers = range(place * count, (place + 1) * count)[begin : begin + size]
        following = str(begin + size) if begin + size < count else ""
        return {"metadata": {"continue": following}, "items": [self._running(namespace, number) for number in numbers]}

    def _running(self, namespace: str, number: int) -> JSONObject:
        states = states_of(self._pod, is_ended=number % self.stuck_every == 0)
        return {**named(self._pod, namespace, number), "status": {"phase": "Running", "startTime": BEGAN, "containerStatuses": states}}


class _FleetHandler(BaseHTTPRequestHandler):
    server: StandInFleet
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """As Go does. With it each body would wait for an acknowledgement of its head that Linux delays by 40 ms."""

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self._answer(200, json.dumps(self._found(url.path, query)).encode())

    def do_POST(self) -> None:
        """A dry run: the object, as it came."""
        self._answer(201, self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, body: bytes) -> None:
        self.server.requests += 1
        self.send_response(status)
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
        _, _, _, _, namespace, *pods = path.split("/")
        if not pods:
            return {"metadata": {"name": namespace}}
        return self.server.page(namespace, int(query.get("continue", "0")), int(query["limit"]))


@contextmanager
def stand_in(pods: int, stuck_every: int) -> Iterator[StandInFleet]:
    """One that serves for the time of the block."""
    server = StandInFleet(pods, stuck_every)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class FleetRun:
    """What one run took, and how many requests it sent."""

    cost: ProgramCost
    requests: int


def one_run(command: str, kubeconfig: Path, fleet: StandInFleet) -> FleetRun:
    """Run the command as a process of its own. DoctorRunError: it did not find each stuck pod."""
    pods, stuck_every, before = fleet.pods, fleet.stuck_every, fleet.requests
    run = run_program([sys.executable, "-m", "webhook", command, "-A", "-o", "json"], {**os.environ, "KUBECONFIG": str(kubeconfig)})
    report = json.loads(run.output)
    running = sum(one["running"] for one in report.get("namespaces", ()))
    if run.exit_code != COMMANDS[command] or running != pods or len(report["stuck_pods"]) != pods // stuck_every:
        message = f"exit code {run.exit_code}, {running} pods: {json.dumps(report)[:200]}"
        raise DoctorRunError(message)
    return FleetRun(run.cost, fleet.requests - before)


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help=f"Running task pods in {NAMESPACES} namespaces (10000)")
    parser.add_argument("--stuck-every", type=int, default=STUCK_EVERY, help=f"one pod in so many is stuck ({STUCK_EVERY})")
    parser.add_argument("--runs", type=int, default=3, help="runs (3)")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory, stand_in(given.pods, given.stuck_every) as fleet:
            kubeconfig = Path(directory) / "kubeconfig"
            kubeconfig.write_text(kubeconfig_for(f"http://127.0.0.1:{fleet.server_address[1]}", "stand-in"), "utf-8")
            found = {command: [one_run(command, kubeconfig, fleet) for _ in range(given.runs)] for command in COMMANDS}
    except DoctorRunError as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    stuck = given.pods // given.stuck_every
    print(table(rows(given.pods, stuck, found)))
    measured = {command: [asdict(one) for one in runs] for command, runs in found.items()}
    write_figures("doctor", {"pods": given.pods, "namespaces": NAMESPACES, "stuck": stuck, "runs": measured})
    missed = [runs for runs in found.values() if _seconds(runs) > MOST_SECONDS or _peak(runs) > MOST_MEBIBYTES]
    return MISSED if missed else 0


def rows(pods: int, stuck: int, found: Mapping[str, Sequence[FleetRun]]) -> list[list[str]]:
    """The table of both commands; medians, and the highest peak."""
    costs = ["runs", "seconds", "seconds of a processor", "peak MiB", "requests"]
    head = ["", f"Running task pods in {NAMESPACES} namespaces", "of these stuck", *costs]
    return [head, *(_row(f"`{command} -A`", f"{pods:,}", f"{stuck:,}", runs) for command, runs in found.items())]


def _row(command: str, pods: str, stuck: str, runs: Sequence[FleetRun]) -> list[str]:
    processor = median(one.cost.processor_seconds for one in runs)
    figures = [f"{_seconds(runs):.1f}", f"{processor:.1f}", f"{_peak(runs):.0f}", f"{runs[-1].requests:,}"]
    return [command, pods, stuck, str(len(runs)), *figures]


def _seconds(runs: Sequence[FleetRun]) -> float:
    return median(one.cost.seconds for one in runs)


def _peak(runs: Sequence[FleetRun]) -> float:
    return max(one.cost.peak_mebibytes for one in runs)


if __name__ == "__main__":
    sys.exit(main())
