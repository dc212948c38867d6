"""How long a pod takes from its task's end to its own, on a real node with Istio: `python -m benchmarks.pod_ends`, as root.

Needs what the cluster's tests need. Each round runs one pod of each kind, one after the other, so that none waits for another.
Exit status: 0 with figures, 2 without any, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

import httpx

from benchmarks.output import INTERRUPTED, NO_FIGURES, progress, write_figures
from benchmarks.report import table
from testbed import levels, prerequisites
from testbed.images import catalogue
from testbed.manifest import OPTED_IN
from testbed.mesh import INJECTED, LEGACY
from testbed.namespace import MESH_ROOT, SERVICE_ACCOUNT, make_namespace, wait_until_ready
from testbed.wait import until
from testbed.webhook import Webhook
from webhook.core.cluster import NativeSupport
from webhook.core.names import STATUS_ANNOTATION
from webhook.server import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from testbed.api import ApiClient
    from testbed.levels import NodeLevel
    from testbed.node import NodeCluster
    from testbed.recorder import Recorder


TASK_SECONDS: Final = 1.0
STEP_SECONDS: Final = 0.13
"""The task of each round lasts this much longer than the previous one. The kubelet checks for ended containers once a second, and the tasks
have to end in different parts of that second."""

TASK: Final = "cat /proc/uptime > /dev/termination-log; sleep {seconds:.2f}; cat /proc/uptime >> /dev/termination-log"
"""The times of the task's start and end, as its first and last act and as its container's message: seconds since boot, to the hundredth
(proc_uptime(5))."""

END_SECONDS: Final = 60
READY_SECONDS: Final = 60


@dataclass(frozen=True)
class Kind:
    """A kind of pod.

    Args:
        name: For the table.
        labels: Of its namespace.
        reason: The reason in its status; None where the webhook is not called for it.
        annotations: Of the pod.

    """

    name: str
    labels: Mapping[str, str]
    reason: str | None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """A namespace of its own."""
        return re.sub("[^a-z0-9]+", "-", self.name)


WRAPPED: Final = Kind("wrapped beside istio-proxy", {**OPTED_IN, **INJECTED}, "sidecars-quit")
RENDERED: Final = Kind(
    "beside a native istio-proxy", {**OPTED_IN, **INJECTED}, "sidecars-native", {"sidecar.istio.io/nativeSidecar": "true"}
)
AFTER_ISTIO: Final = {"airflow-sidecar-webhook": "after-istio"}
"""The label of a namespace for whose pods Istio is called first, and puts its proxy among the regular containers, and then the webhook."""

SEEN_ABLE: Final = f'{metrics.PREFIX}_native_support{{support="{NativeSupport.READY}"}} 1.0'
"""The line of the webhook's metrics that says that it uses native sidecars in this cluster."""

CONVERTED: Final = Kind("converted beside istio-proxy", {**AFTER_ISTIO, **INJECTED}, "sidecars-native")
NO_SIDECAR: Final = Kind("without a sidecar, with the webhook", OPTED_IN, "no-sidecar")
UNCHANGED: Final = Kind("without webhook and mesh", {}, None)
KINDS: Final = (WRAPPED, RENDERED, CONVERTED, NO_SIDECAR, UNCHANGED)

LEFT_ALONE: Final = Kind("left alone beside istio-proxy", INJECTED, None)
"""The problem itself: this pod never ends, so it is watched for some time."""


class PodEndError(Exception):
    """A pod did not behave as the measurement needs."""


@dataclass(frozen=True)
class End:
    """The end of one pod, in seconds after that of its task.

    Args:
        kind: Its kind's name.
        round: From 1.
        seconds: Until the API server reported the pod's terminal phase.

    """

    kind: str
    round: int
    seconds: float


@dataclass(frozen=True)
class PodEndsSetup:
    """Where the pods run."""

    node: NodeCluster
    recorder: Recorder
    image: str

    def end(self, kind: Kind, number: int) -> End:
        """Run a pod to its end. PodEndError, TimeoutError."""
        name = f"round-{number}"
        self.create(kind, name, TASK_SECONDS + number * STEP_SECONDS)
        moment = self.recorder.first(kind.namespace, name, lambda one: one.phase in {"Succeeded", "Failed"}, "ends", END_SECONDS)
        return End(kind.name, number, moment.seconds - self.task_times(kind, name)[1])

    def task_times(self, kind: Kind, name: str) -> tuple[float, float]:
        """When a pod's task started and ended (CLOCK_MONOTONIC). PodEndError, TimeoutError."""
        moment = self.recorder.first(kind.namespace, name, lambda one: one.terminated("base") is not None, "ends its task", END_SECONDS)
        ended = moment.terminated("base") or {}
        if ended["exitCode"] or "message" not in ended:
            message = f"{kind.name}: the task ended with {ended}"
            raise PodEndError(message)
        # /proc/uptime goes on while a machine sleeps, CLOCK_MONOTONIC does not (clock_gettime(2)).
        slept = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        began, _, end, _ = map(float, ended["message"].split())
        return began - slept, end - slept

    def create(self, kind: Kind, name: str, seconds: float) -> None:
        """A pod whose task lasts so long. ApiError; PodEndError: it is not of its kind."""
        metadata = {"name": name, "namespace": kind.namespace, "annotations": dict(kind.annotations)}
        metadata["labels"] = {"kubernetes_pod_operator": "True"}
        base = {"name": "base", "image": self.image, "command": ["/bin/sh", "-c", TASK.format(seconds=seconds)]}
        spec = {"restartPolicy": "Never", "containers": [base]}
        pod = self.node.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        status = json.loads(pod["metadata"].get("annotations", {}).get(STATUS_ANNOTATION, "{}"))
        if status.get("reason") != kind.reason:
            message = f"{kind.name}: the pod has the status {status}, not the reason {kind.reason}"
            raise PodEndError(message)

    def watch_left_alone(self, seconds: float) -> str:
        """The phase of a pod with a regular sidecar and without the webhook, some time after its task. PodEndError, TimeoutError."""
        self.create(LEFT_ALONE, "watched", TASK_SECONDS)
        _, ended = self.task_times(LEFT_ALONE, "watched")
        time.sleep(max(0.0, ended + seconds - time.monotonic()))
        last = self.recorder.moments(LEFT_ALONE.namespace, "watched")[-1]
        self.node.api.delete(f"/api/v1/namespaces/{LEFT_ALONE.namespace}/pods/watched", gracePeriodSeconds="1")
        self.recorder.first(LEFT_ALONE.namespace, "watched", lambda one: one.gone, "is gone", END_SECONDS)
        return last.phase


def main() -> int:
    """Read the command line, measure, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pod_ends", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds (7)")
    parser.add_argument("--watched-seconds", type=float, default=60, help="how long a pod that never ends is watched (60)")
    given = parser.parse_args()
    return exit_status(lambda: measure(given.rounds, given.watched_seconds))


def exit_status(measure: Callable[[], None]) -> int:
    """Measure on a node, where this machine can have one, and say why there are no figures."""
    reason = prerequisites.missing()
    if reason:
        progress(reason)
        return NO_FIGURES
    try:
        measure()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (PodEndError, TimeoutError, RuntimeError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    return 0


def measure(rounds: int, watched_seconds: float) -> None:
    """Run all pods, and report how they ended. RuntimeError, PodEndError, TimeoutError."""
    with ExitStack() as ends:
        progress("starting a node with Istio and the webhook; missing programs and images are built first")
        setup = start(ends)
        found: list[End] = []
        for number in range(1, rounds + 1):
            # In turns, so that neither of two that are compared always comes first.
            found += [setup.end(kind, number) for kind in (KINDS if number % 2 else reversed(KINDS))]
            progress(f"round {number} of {rounds} done")
        progress(f"watching a pod without the webhook for {watched_seconds:g} s")
        report(found, setup.watch_left_alone(watched_seconds), watched_seconds)


def start(ends: ExitStack) -> PodEndsSetup:
    """A node with the webhook, the mesh and all namespaces; ``ends`` ends it. RuntimeError."""
    level = ends.enter_context(levels.node())
    level.api.create(level.webhook.configuration())
    ends.enter_context(levels.mesh(level.node, LEGACY))
    start_converting(level, ends)
    make_namespaces(level.api, (*KINDS, LEFT_ALONE))
    setup = PodEndsSetup(level.node, level.recorder, level.node.load(catalogue.task_bash()))
    for kind in KINDS:
        setup.end(kind, 0)
    return setup


def start_converting(level: NodeLevel, ends: ExitStack) -> None:
    """A second webhook, which reads the cluster, so that it makes sidecars native; it is called after Istio. RuntimeError, TimeoutError."""
    webhook = Webhook(level.place, "converting", kubeconfig=level.server.kubeconfig)
    ends.callback(webhook.end)
    until(lambda: SEEN_ABLE in httpx.get(webhook.metrics_url).text, "the webhook finds native sidecars", READY_SECONDS)
    until(lambda: httpx.get(webhook.ready_url).is_success, "the webhook has read the injectors", READY_SECONDS)
    level.api.create(webhook.configuration("zzz-airflow-sidecar-webhook", namespaceSelector={"matchLabels": AFTER_ISTIO}))


def make_namespaces(api: ApiClient, kinds: Iterable[Kind]) -> None:
    """A namespace for each kind, ready for pods. ApiError, TimeoutError."""
    for kind in kinds:
        make_namespace(api, kind.namespace, kind.labels)
    for kind in kinds:
        wait_until_ready(api, kind.namespace, SERVICE_ACCOUNT, MESH_ROOT)


def report(found: list[End], left_alone: str, watched_seconds: float) -> None:
    """Print the table, and write every single figure to a new file."""
    print(table(rows(found, left_alone, watched_seconds)))
    print(in_words(paired(found, CONVERTED, RENDERED)))
    document = {"pod_ends": [asdict(end) for end in found], "left_alone": left_alone, "watched_seconds": watched_seconds}
    write_figures("pod_ends", document)


def rows(found: Sequence[End], left_alone: str, watched_seconds: float) -> list[list[str]]:
    """The table of all kinds, and of the pod that was left alone."""
    head = ["pod", "rounds", "end of task to end of pod, median s", "fastest", "slowest"]
    watched = [LEFT_ALONE.name, "1", f"{left_alone} after {watched_seconds:g} s", "", ""]
    return [head, *(row(kind.name, seconds_of(found, kind)) for kind in KINDS), watched]


def seconds_of(found: Sequence[End], kind: Kind) -> list[float]:
    """Of the pods of a kind."""
    return [end.seconds for end in found if end.kind == kind.name]


def row(name: str, seconds: list[float]) -> list[str]:
    """One line of the table."""
    return [name, str(len(seconds)), *(f"{it:.2f}" for it in (median(seconds), min(seconds), max(seconds)))]


def paired(found: Sequence[End], one: Kind, other: Kind) -> list[float]:
    """How much later than the other the one ended in each round, in seconds."""
    seconds = {(end.kind, end.round): end.seconds for end in found}
    rounds = sorted({end.round for end in found})
    return [seconds[one.name, number] - seconds[other.name, number] for number in rounds]


def in_words(differences: list[float]) -> str:
    """The line that compares converted pods with those that Istio itself renders natively."""
    figures = ", ".join(f"{it:+.2f}" for it in differences)
    return f"converted later than rendered by Istio, by round: median {median(differences):+.2f} s ({figures})"


if __name__ == "__main__":
    sys.exit(main())
