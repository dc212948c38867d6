"""When each container of a pod starts and ends, on a real node with Istio: `python -m benchmarks.pod_timelines`, as root.

One pod without the webhook, one wrapped and one native, each with a task of a few seconds beside Istio's proxy.
`make docs` draws them. Needs what the cluster's tests need.
Exit status: 0 with figures, 2 without any, 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.output import progress, write_figures
from benchmarks.pod_ends import CONVERTED, LEFT_ALONE, WRAPPED, Kind, PodEndsSetup, exit_status, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.recorder import Moment
    from tests.support.json_object import JSONObject

TASK_SECONDS: Final = 5.0
WATCHED_SECONDS: Final = 60.0
"""How long the pod that never ends is watched after its task."""

NAME: Final = "timeline"


def main() -> int:
    """Measure, and return the exit status."""
    return exit_status(measure)


def measure() -> None:
    """Run the pods one after the other, and write when what happened. RuntimeError, PodEndError, TimeoutError."""
    with ExitStack() as ends:
        progress("starting a node with Istio and the webhook; missing programs and images are built first")
        setup = start(ends)
        pods = {"wrapped": run(setup, WRAPPED), "native": run(setup, CONVERTED), "without": run(setup, LEFT_ALONE)}
        write_figures("pod_timelines", {"pods": pods, "watched_seconds": WATCHED_SECONDS})


def run(setup: PodEndsSetup, kind: Kind) -> JSONObject:
    """The times of a pod in seconds after its creation, as its watch reported them. PodEndError, TimeoutError."""
    setup.create(kind, NAME, TASK_SECONDS)
    began, ended = setup.task_times(kind, NAME)
    wait_for_end(setup, kind, ended)
    moments = setup.recorder.moments(kind.namespace, NAME)
    created = moments[0].seconds
    names = [status["name"] for status in statuses(moments[-1])]
    phase = moments[-1].phase
    return {
        "task": [round(began - created, 2), round(ended - created, 2)],
        "containers": {name: span(moments, name, created) for name in names},
        "phase": phase,
        "phase_seconds": round(next(one.seconds for one in moments if one.phase == phase) - created, 2),
    }


def wait_for_end(setup: PodEndsSetup, kind: Kind, ended: float) -> None:
    """Until the pod has ended; a pod that never does is watched for a time. PodEndError, TimeoutError."""
    try:
        setup.recorder.first(kind.namespace, NAME, lambda one: one.phase in {"Succeeded", "Failed"}, "ends", WATCHED_SECONDS)
    except TimeoutError:
        if kind is not LEFT_ALONE:
            raise
        progress(f"{kind.name}: still Running {WATCHED_SECONDS:g} s after {ended:.2f}")


def statuses(moment: Moment) -> Iterator[JSONObject]:
    """The statuses of all containers, init containers first."""
    for part in ("initContainerStatuses", "containerStatuses"):
        yield from moment.pod["status"].get(part, ())


def span(moments: list[Moment], name: str, created: float) -> JSONObject:
    """When a container was first reported to run, to have passed its startup probe, and to have ended, as far as it was.

    One that ran and ended between two reports has one time for both.
    """
    reports = [(moment.seconds, status) for moment in moments for status in statuses(moment) if status["name"] == name]
    steps: dict[str, Callable[[JSONObject], bool]] = {
        "ran": lambda status: "waiting" not in status["state"],
        "started": lambda status: bool(status.get("started")),
        "ended": lambda status: "terminated" in status["state"],
    }
    times = {step: next((seconds for seconds, status in reports if holds(status)), None) for step, holds in steps.items()}
    return {step: round(seconds - created, 2) for step, seconds in times.items() if seconds is not None}


if __name__ == "__main__":
    sys.exit(main())
