"""What the reaper costs beside many pods: `python -m benchmarks.reaper`, against a real API server.

The pods have no node: this program writes their statuses. One in a hundred has a task that ended while its proxy runs on; a pass and the
controller are dry runs, since no kubelet could end the pods. Needs the API server of the cluster's tests. Exit status: 0 with figures, 2
without any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.output import NO_FIGURES, progress, write_figures
from benchmarks.program_cost import ProgramCost, peak_mebibytes, run_program
from benchmarks.report import table
from benchmarks.running_pods import STUCK_EVERY, istio_pod, named, states_of, status_of
from benchmarks.watcher import api_server
from testbed.api import path_of
from testbed.binaries import NoGoError
from testbed.namespace import make_namespace
from testbed.wait import until
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.api_server import ApiServer
    from tests.support.json_object import JSONObject

CLIENTS: Final = 8
GRACE: Final = 5
START_SECONDS: Final = 300


@dataclass(frozen=True)
class PassCost:
    """What one pass took.

    Args:
        process: Of its process.
        due: Pods that it would have ended.

    """

    process: ProgramCost
    due: int


@dataclass(frozen=True)
class WatchCost:
    """What the controller took.

    Args:
        at_work: The share of a processor beside events of pods whose task runs.
        ending: The same beside tasks that end, each of which it decides about and reports by an Event.
        peak_mebibytes: Its largest resident memory.
        lateness: Seconds from the end of the grace of each pod to the decision about it.

    """

    at_work: float
    ending: float
    peak_mebibytes: float
    lateness: list[float]


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reaper", description=__doc__)
    parser.add_argument("--watched", type=int, default=5_000, help="pods beside which the controller runs (5000)")
    parser.add_argument("--pods", type=int, default=10_000, help="pods for the passes, those among them (10000)")
    parser.add_argument("--namespaces", type=int, default=50, help="namespaces (50)")
    parser.add_argument("--passes", type=int, default=3, help="passes (3)")
    parser.add_argument("--rate", type=int, default=20, help="events a second for the controller (20)")
    parser.add_argument("--seconds", type=int, default=60, help="how long, twice (60)")
    given = parser.parse_args()
    try:
        with api_server() as server:
            namespaces = [f"tasks-{number}" for number in range(given.namespaces)]
            for namespace in namespaces:
                make_namespace(server.api, namespace, {})
            make_pods(server, namespaces, range(given.watched))
            cost = watch_events(server, namespaces, given)
            make_pods(server, namespaces, range(given.watched, given.pods))
            passes = [one_pass(server, namespaces) for _ in range(given.passes)]
    except (NoGoError, TimeoutError, RuntimeError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    print(table(pass_rows(given.pods, given.namespaces, passes)))
    print(table(watch_rows(given.watched, given.rate, cost)))
    figures = {"pods": given.pods, "namespaces": given.namespaces, "watched": given.watched, "rate": given.rate, "seconds": given.seconds}
    write_figures("reaper", {**figures, "passes": [asdict(one) for one in passes], "controller": asdict(cost)})
    return 0


def pass_rows(pods: int, namespaces: int, costs: Sequence[PassCost]) -> list[list[str]]:
    """The table of a pass: medians, and the highest peak."""
    head = ["pods", "of these due", "namespaces", "passes", "seconds", "seconds of a processor", "peak MiB"]
    processes = [one.process for one in costs]
    seconds = [median(one.seconds for one in processes), median(one.processor_seconds for one in processes)]
    peak = max(one.peak_mebibytes for one in processes)
    counts = [f"{pods:,}", f"{costs[0].due:,}", str(namespaces), str(len(costs))]
    return [head, [*counts, *(f"{it:.1f}" for it in seconds), f"{peak:.0f}"]]


def watch_rows(watched: int, rate: int, cost: WatchCost) -> list[list[str]]:
    """The table of the controller."""
    head = [f"{rate} events a second beside {watched:,} pods", "of a processor", "peak MiB", "late, p50", "late, p99"]
    late, peak = sorted(cost.lateness), f"{cost.peak_mebibytes:.0f}"
    lateness = [f"{median(late):.2f} s", f"{late[len(late) * 99 // 100]:.2f} s"]
    return [
        head,
        ["of pods whose task runs", f"{cost.at_work:.1%}", peak, "", ""],
        ["of tasks that end, each with an Event", f"{cost.ending:.1%}", peak, *lateness],
    ]


def make_pods(server: ApiServer, namespaces: list[str], numbers: range) -> None:
    """Create the pods of these numbers, and write their statuses."""
    pod = istio_pod()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(lambda number: make_pod(server, pod, namespaces[number % len(namespaces)], number), numbers):
            pass


def make_pod(server: ApiServer, pod: JSONObject, namespace: str, number: int) -> None:
    """Create a pod, and let it be Running."""
    made = named(pod, namespace, number)
    server.api.create(made)
    server.api.patch(f"{path_of(made)}/status", {"status": status_of(pod, number)})


def one_pass(server: ApiServer, namespaces: list[str]) -> PassCost:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "webhook", "reaper", "--once", "--dry-run", "-o", "json", *(f"-n{name}" for name in namespaces)]
    run = run_program(command, {**os.environ, "KUBECONFIG": str(server.kubeconfig)})
    return PassCost(run.cost, len(json.loads(run.output)["pods"]))


def watch_events(server: ApiServer, namespaces: list[str], given: argparse.Namespace) -> WatchCost:
    """Run the controller, and let so many things a second happen to pods."""
    command = [sys.executable, "-m", "webhook", "reaper", "--dry-run", f"--grace={GRACE}", *(f"-n{name}" for name in namespaces)]
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig), f"{PREFIX}HEALTH_PORT": "0"}
    stuck = [number for number in range(given.watched) if number % STUCK_EVERY == 0]
    numbers = [number for number in range(given.watched) if number % STUCK_EVERY][: given.rate * given.seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        reported: dict[str, float] = {}
        threading.Thread(target=read_log, args=(process, reported), daemon=True).start()
        until(lambda: len(reported) >= len(stuck), "the pods that are stuck at the start are reported", START_SECONDS)
        with metered(process) as at_work:
            change_pods(server, namespaces, numbers, given.rate, is_ended=False)
        with metered(process) as ending:
            ended = change_pods(server, namespaces, numbers, given.rate, is_ended=True)
            until(lambda: ended.keys() <= reported.keys(), "every end is reported", START_SECONDS)
        process.terminate()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lateness = [reported[name] - at - GRACE for name, at in ended.items()]
    return WatchCost(at_work[0], ending[0], peak_mebibytes(used.ru_maxrss), lateness)


@contextmanager
def metered(process: subprocess.Popen[bytes]) -> Iterator[list[float]]:
    """After the block, the share of a processor that the process took within it."""
    share: list[float] = []
    before, began = processor_seconds(process.pid), time.monotonic()
    yield share
    share.append((processor_seconds(process.pid) - before) / (time.monotonic() - began))


def read_log(process: subprocess.Popen[bytes], reported: dict[str, float]) -> None:
    """When each pod was first reported, by its name."""
    assert process.stdout  # noqa: S101  it is a pipe
    for line in process.stdout:
        entry = json.loads(line)
        if entry["event"] == "pod":
            reported.setdefault(entry["pod"], time.monotonic())


def change_pods(server: ApiServer, namespaces: list[str], numbers: list[int], rate: int, *, is_ended: bool) -> dict[str, float]:
    """Change pods at the rate, and end their tasks where ``is_ended``; when each was changed, by its name."""
    pod = istio_pod()
    changed: dict[str, float] = {}

    def change(number: int) -> None:
        name = f"task-{number}"
        path = f"/api/v1/namespaces/{namespaces[number % len(namespaces)]}/pods/{name}/status"
        server.api.patch(path, {"status": {"containerStatuses": states_of(pod, is_ended=is_ended, restarts=1)}})
        changed[name] = time.monotonic()

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for count, number in enumerate(numbers):
            time.sleep(max(0.0, began + count / rate - time.monotonic()))
            clients.submit(change, number)
    return changed


def processor_seconds(pid: int) -> float:
    """What a process has used so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
