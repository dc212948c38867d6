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
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.watcher import api_server
from demo.simulated_injectors import inject_istio
from testbed.api import path_of
from testbed.binaries import NoGoError
from testbed.namespace import make_namespace
from testbed.wait import until
from tests.support.pods import load
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from testbed.api_server import ApiServer
    from tests.support.json_object import JSONObject

NO_FIGURES: Final = 2
CLIENTS: Final = 8
MEBIBYTE: Final = 1024
"""In the kibibytes of ``ru_maxrss``."""

STUCK_EVERY: Final = 100
GRACE: Final = 5
START_SECONDS: Final = 300
BEGAN: Final = "2026-01-01T10:00:00Z"
ENDED: Final = "2026-01-01T10:10:00Z"


@dataclass(frozen=True)
class PassCost:
    """What one pass took.

    Args:
        seconds: From the start of the process to its end.
        processor_seconds: Of the process.
        peak_mebibytes: Its largest resident memory.
        due: Pods that it would have ended.

    """

    seconds: float
    processor_seconds: float
    peak_mebibytes: float
    due: int


@dataclass(frozen=True)
class WatchCost:
    """What the controller took.

    Args:
        processor_share: Of one processor, while the events came.
        peak_mebibytes: Its largest resident memory.
        lateness: Seconds from the end of the grace of each pod to the decision about it.

    """

    processor_share: float
    peak_mebibytes: float
    lateness: list[float]


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reaper", description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help="pods (10000)")
    parser.add_argument("--namespaces", type=int, default=50, help="namespaces (50)")
    parser.add_argument("--passes", type=int, default=3, help="passes (3)")
    parser.add_argument("--rate", type=int, default=20, help="events a second for the controller (20)")
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    given = parser.parse_args()
    try:
        with api_server() as server:
            namespaces = [f"tasks-{number}" for number in range(given.namespaces)]
            make_pods(server, namespaces, given.pods)
            costs = [one_pass(server, namespaces) for _ in range(given.passes)]
            watching = watch_events(server, namespaces, given)
    except (NoGoError, TimeoutError, RuntimeError) as error:
        sys.stderr.write(f"no figures: {error}\n")
        return NO_FIGURES
    print(f"{given.pods} pods in {given.namespaces} namespaces, {costs[0].due} of them due; the median of {given.passes} passes:")
    print(f"  {median(one.seconds for one in costs):.1f} s, {median(one.processor_seconds for one in costs):.1f} s of a processor")
    print(f"  {max(one.peak_mebibytes for one in costs):.0f} MiB at most")
    print(f"the controller beside {given.rate} events a second, for {given.seconds} s:")
    print(f"  {watching.processor_share:.1%} of a processor, {watching.peak_mebibytes:.0f} MiB at most")
    late = sorted(watching.lateness)
    print(f"  decided after the grace: {median(late):.2f} s at the median, {late[len(late) * 99 // 100]:.2f} s at p99, of {len(late)} pods")
    return 0


def make_pods(server: ApiServer, namespaces: list[str], count: int) -> None:
    """Create the pods, and write their statuses."""
    for namespace in namespaces:
        make_namespace(server.api, namespace, {})
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(lambda number: make_pod(server, namespaces[number % len(namespaces)], number), range(count)):
            pass


def make_pod(server: ApiServer, namespace: str, number: int) -> None:
    """A pod that Airflow's executor created and Istio injected into, Running."""
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    # The chart's template was rendered without a release.
    pod = json.loads(json.dumps(pod).replace("RELEASE-NAME", "prod"))
    pod["metadata"] |= {"name": f"task-{number}", "namespace": namespace}
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = "{}"
    made = server.api.create({"apiVersion": "v1", "kind": "Pod", **pod})
    is_stuck = number % STUCK_EVERY == 0
    states = [status_of(one["name"], is_ended=is_stuck and one["name"] == "base") for one in made["spec"]["containers"]]
    server.api.patch(f"{path_of(made)}/status", {"status": {"phase": "Running", "startTime": BEGAN, "containerStatuses": states}})


def status_of(name: str, *, is_ended: bool) -> JSONObject:
    """The status of a container."""
    ended = {"terminated": {"exitCode": 0, "startedAt": BEGAN, "finishedAt": ENDED, "reason": "Completed"}}
    state = ended if is_ended else {"running": {"startedAt": BEGAN}}
    return {
        "name": name,
        "state": state,
        "image": "i",
        "imageID": "i",
        "ready": not is_ended,
        "restartCount": 0,
        "containerID": f"containerd://{name}",
    }


def one_pass(server: ApiServer, namespaces: list[str]) -> PassCost:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "webhook", "reaper", "--once", "--dry-run", "-o", "json", *(f"-n{name}" for name in namespaces)]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(command, stdout=output, env={**os.environ, "KUBECONFIG": str(server.kubeconfig)}) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        report = json.load(output)
    seconds = time.monotonic() - began
    return PassCost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / MEBIBYTE, len(report["pods"]))


def watch_events(server: ApiServer, namespaces: list[str], given: argparse.Namespace) -> WatchCost:
    """Run the controller, and end a task so many times a second."""
    command = [sys.executable, "-m", "webhook", "reaper", "--dry-run", f"--grace={GRACE}", *(f"-n{name}" for name in namespaces)]
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig), f"{PREFIX}HEALTH_PORT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        told: dict[str, float] = {}
        reading = threading.Thread(target=read_log, args=(process, told), daemon=True)
        reading.start()
        until(lambda: len(told) >= given.pods // STUCK_EVERY, "the pods that are stuck at the start are told", START_SECONDS)
        before = processor_seconds(process.pid)
        began = time.monotonic()
        ended = end_tasks(server, namespaces, given)
        until(lambda: ended.keys() <= told.keys(), "every end is told", START_SECONDS)
        seconds = time.monotonic() - began
        share = (processor_seconds(process.pid) - before) / seconds
        process.terminate()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lateness = [told[name] - at - GRACE for name, at in ended.items()]
    return WatchCost(share, used.ru_maxrss / MEBIBYTE, lateness)


def read_log(process: subprocess.Popen[bytes], told: dict[str, float]) -> None:
    """When each pod was first told, by its name."""
    assert process.stdout  # noqa: S101  it is a pipe
    for line in process.stdout:
        entry = json.loads(line)
        if entry["event"] == "pod":
            told.setdefault(entry["pod"], time.monotonic())


def end_tasks(server: ApiServer, namespaces: list[str], given: argparse.Namespace) -> dict[str, float]:
    """End the tasks of Running pods at the rate; when each ended, by its name."""
    ended: dict[str, float] = {}
    began = time.monotonic()
    numbers = [number for number in range(given.pods) if number % STUCK_EVERY][: given.rate * given.seconds]
    with ThreadPoolExecutor(CLIENTS) as clients:
        for count, number in enumerate(numbers):
            time.sleep(max(0.0, began + count / given.rate - time.monotonic()))
            clients.submit(end_task, server, namespaces[number % len(namespaces)], f"task-{number}", ended)
    return ended


def end_task(server: ApiServer, namespace: str, name: str, ended: dict[str, float]) -> None:
    """End the task of a pod."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    pod = server.api.get(path)
    states = [status_of(one["name"], is_ended=one["name"] == "base") for one in pod["spec"]["containers"]]
    server.api.patch(f"{path}/status", {"status": {"containerStatuses": states}})
    ended[name] = time.monotonic()


def processor_seconds(pid: int) -> float:
    """What a process has used so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
