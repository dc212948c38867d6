"""What it costs the webhook to watch a cluster: `python -m benchmarks.watcher`, against a real API server.

Needs what `make benchmark` needs and the API server of the cluster's tests. Reviews are measured with the watcher and without it in
turns, the other process stopped, while the nodes' status is written all the time; then the memory, with as many nodes as are wanted.
Exit status: 0 with figures, 2 without any, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import contestants, load
from benchmarks.material import prepare
from benchmarks.output import INTERRUPTED, MEBIBYTE, NO_FIGURES, RESULTS, progress, write_figures
from benchmarks.report import middle, runs, table
from benchmarks.rounds import WARM_UP_CONNECTIONS, WARM_UP_SECONDS, Plan, Results
from benchmarks.server import ServerError, running
from testbed.api_server import ALONE, ApiServer
from testbed.binaries import NoGoError
from testbed.host import Host
from testbed.wait import until
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.material import Material
    from benchmarks.server import Contestant, RunningServer
    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject


WATCHING: Final = "watching"
WITHOUT: Final = "without"
OLD: Final = "v1.28.15"
"""Nodes without native sidecars, so that both give every pod the same treatment."""

UPDATES_A_SECOND: Final = 17
"""The updates of 5,000 kubelets: each writes its status every five minutes (KubeletConfiguration, nodeStatusReportFrequency)."""

IMAGES: Final = 50
"""The number of images that a kubelet lists in its node's status (nodeStatusMaxImages); they are most of the object."""

CLIENTS: Final = 4
WATCHING_SHARE: Final = 0.5
"""The share of the time in which the watching process runs; it reads then what is written all the time."""

TURNS: Final = 12
"""Turns of each process in a round. The speed of a shared machine changes within seconds, and neighbouring turns are alike."""

WATCHED_SECONDS: Final = 15
READ_SECONDS: Final = 120


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the webhook with a cluster of so many nodes: after it has read the cluster, and the peak until then."""

    name: str
    nodes: int
    resident_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Watch:
    """The share of a core that the watch takes without any review, at so many updates a second."""

    updates: int
    share: float


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watcher", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each with new processes (5)")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of each turn (1)")
    parser.add_argument("--connections", default="1,16", help="numbers of connections (1,16)")
    parser.add_argument("--busy-nodes", type=int, default=100, help="nodes while reviews are measured (100)")
    parser.add_argument(
        "--updates", type=int, default=UPDATES_A_SECOND, help=f"updates of nodes that the watcher reads a second ({UPDATES_A_SECOND})"
    )
    parser.add_argument("--nodes", type=int, default=5000, help="nodes while memory is measured (5000)")
    given = parser.parse_args()
    plan = Plan(given.rounds, given.seconds, [int(it) for it in given.connections.split(",")])
    try:
        load.require_machine()
        measure(plan, given.busy_nodes, given.updates, given.nodes)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (load.LoadError, ServerError, NoGoError, TimeoutError, RuntimeError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    return 0


def measure(plan: Plan, busy_nodes: int, updates: int, nodes: int) -> None:
    """Make all measurements on one API server, and report them."""
    RESULTS.mkdir(exist_ok=True)
    # The API server, its clients and the load share one core; the webhook has the other one.
    os.sched_setaffinity(0, {load.LOAD_CORE})
    with ExitStack() as ends:
        directory = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=RESULTS)))
        setup = WatcherSetup(prepare(directory), ends.enter_context(api_server()))
        setup.make_nodes(busy_nodes)
        with heartbeats(setup.server.api, busy_nodes, updates):
            share = setup.watch_share()
        with heartbeats(setup.server.api, busy_nodes, updates * WATCHING_SHARE):
            results = setup.rates(plan)
        memory = [setup.memory(WITHOUT), setup.memory(WATCHING)]
        progress(f"creating {nodes} nodes")
        setup.make_nodes(nodes)
        memory.append(setup.memory(WATCHING))
    report(results, Watch(updates, share), memory)


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """An API server on the loopback. RuntimeError with a log: it does not start."""
    with ExitStack() as ends:
        place = Host()
        ends.callback(place.end)
        server = ApiServer(place, ALONE)
        ends.callback(server.end)
        yield server


class WatcherSetup:
    """An API server, and the webhook beside it."""

    def __init__(self, material: Material, server: ApiServer) -> None:
        """Nothing is started yet."""
        self.material, self.server = material, server
        self._made = 0
        self._numbers = itertools.count()

    def make_nodes(self, number: int) -> None:
        """Create nodes until there are that many. ApiError."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(self.server.api.create, (node_object(index) for index in range(self._made, number))))
        self._made = max(self._made, number)

    def rates(self, plan: Plan) -> Results:
        """Measure both in turns of a second or so, in new processes each round. LoadError, ServerError, TimeoutError.

        While one is measured the other is stopped. The one that watches finds what was written meanwhile when it goes on, so in its turn
        it reads what is written in two.
        """
        series: dict[tuple[str, int], list[load.Measurement]] = {}
        for number in range(plan.rounds):
            with self.started(WITHOUT) as without, self.started(WATCHING) as watching:
                pair = (without, watching) if number % 2 else (watching, without)
                for server in pair:
                    load.measure(server, self.material.review, WARM_UP_CONNECTIONS, WARM_UP_SECONDS)
                for connections in plan.connections:
                    for _ in range(TURNS):
                        for server, other in (pair, pair[::-1]):
                            with stopped(other):
                                measured = load.measure(server, self.material.review, connections, plan.seconds)
                            series.setdefault((server.name, connections), []).append(measured)
            progress(f"round {number + 1} of {plan.rounds} done")
        return Results(series)

    def watch_share(self) -> float:
        """The share of a core that the watch takes without any review. ServerError, TimeoutError."""
        with self.started(WATCHING) as server:
            before, began = threads_seconds(server), time.monotonic()
            time.sleep(WATCHED_SECONDS)
            return (threads_seconds(server) - before) / (time.monotonic() - began)

    def memory(self, name: str) -> Memory:
        """Start the webhook, let it read the cluster, and measure its memory. ServerError, TimeoutError."""
        with self.started(name) as server:
            return Memory(name, self._made if name == WATCHING else 0, server.resident_bytes(), peak_bytes(server))

    @contextmanager
    def started(self, name: str) -> Iterator[RunningServer]:
        """The webhook, after it has read the cluster if it has one."""
        contestant = self.contestant(name)
        health = f"http://127.0.0.1:{contestant.environment[f'{PREFIX}HEALTH_PORT']}/metrics"
        with running(contestant, self.material.output(f"{name}-{next(self._numbers)}")) as server:
            until(lambda: counted(health) == (self._made if name == WATCHING else 0), "the webhook knows all nodes", READ_SECONDS)
            yield server

    def contestant(self, name: str) -> Contestant:
        """The webhook with a cluster to watch, or with none."""
        webhook = replace(contestants.webhook(self.material), name=name)
        if name == WITHOUT:
            return webhook
        return replace(webhook, environment={**webhook.environment, "KUBECONFIG": str(self.server.kubeconfig)})


def node_object(number: int) -> JSONObject:
    """A node object of the size that it has in real clusters."""
    digest = f"{number:064x}"
    images = [
        {"names": [f"registry.example.com/team/image-{one}@sha256:{digest}", f"registry.example.com/team/image-{one}:1.0.{one}"]}
        for one in range(IMAGES)
    ]
    labels = {f"topology.example.com/label-{one}": digest[:40] for one in range(20)}
    metadata = {"name": f"node-{number}", "labels": labels}
    status = {"nodeInfo": {"kubeletVersion": OLD}, "images": images}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


@contextmanager
def heartbeats(api: ApiClient, nodes: int, updates: float) -> Iterator[None]:
    """Write the status of one node after the other, so many times a second."""
    ended = threading.Event()

    def write_on() -> None:
        began = time.monotonic()
        for number in itertools.count():
            if ended.wait(max(0.0, began + number / updates - time.monotonic())):
                return
            ready = {"type": "Ready", "status": "True", "message": str(number)}
            api.patch(f"/api/v1/nodes/node-{number % nodes}/status", {"status": {"conditions": [ready]}})

    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(write_on)
        try:
            yield
        finally:
            ended.set()
        written.result()


def counted(health: str) -> int:
    """The number of nodes that the webhook knows."""
    families = text_string_to_metric_families(httpx.get(health, trust_env=False).text)
    return int(sum(sample.value for family in families for sample in family.samples if sample.name.endswith("_cluster_nodes")))


@contextmanager
def stopped(server: RunningServer) -> Iterator[None]:
    """Stop the server for the time of the block, since both servers share one core."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def threads_seconds(server: RunningServer) -> float:
    """CPU seconds of all threads but the first, which answers reviews: /proc/PID/task/TID/schedstat, in nanoseconds (proc(5))."""
    tasks = [task for task in Path(f"/proc/{server.process.pid}/task").iterdir() if task.name != str(server.process.pid)]
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9


def peak_bytes(server: RunningServer) -> int:
    """The highest resident memory since the start: VmHWM in /proc/PID/status, proc(5)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def report(results: Results, watch: Watch, memory: list[Memory]) -> None:
    """Print all figures, and write every single one to a new file."""
    print(f"the watch alone: {watch.share:.2%} of a core at {watch.updates} updates a second")
    print(table(rates_rows(results)))
    print(table(memory_rows(memory)))
    document = {
        "watch": asdict(watch),
        "rates": runs(results),
        "memory": [asdict(it) for it in memory],
    }
    write_figures("watcher", document)


def rates_rows(results: Results) -> list[list[str]]:
    """The table of the rates."""
    head = ["connections", "", "turns", "reviews/s", "p99 ms", "CPU µs a review", "rate / rate without", "reviews per CPU second / without"]
    numbers = sorted({connections for _, connections in results.series})
    return [head, *(row(results, name, connections) for connections in numbers for name in (WITHOUT, WATCHING))]


def memory_rows(memory: Sequence[Memory]) -> list[list[str]]:
    """The table of the memory."""
    sizes = [[it.name, f"{it.nodes:,}", *(f"{size / MEBIBYTE:.1f}" for size in (it.resident_bytes, it.peak_bytes))] for it in memory]
    return [["", "nodes", "resident MiB", "peak MiB"], *sizes]


def row(results: Results, name: str, connections: int) -> list[str]:
    """One line of the table."""
    measured = results.series[name, connections]
    ratios = [results.rates(name, WITHOUT, connections), results.cpu_times(name, WITHOUT, connections)]
    figures = [str(len(measured)), f"{median(it.rate for it in measured):,.0f}", f"{median(it.p99 for it in measured) * 1e3:.2f}"]
    figures.append(f"{median(it.cpu_per_review for it in measured) * 1e6:,.0f}")
    return [str(connections), name, *figures, *(middle(it) if name == WATCHING else "" for it in ratios)]


if __name__ == "__main__":
    sys.exit(main())
