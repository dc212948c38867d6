"""Draws how a pod ends: `pictures/pod_timelines.svg`, from `pictures/pod_timelines.json`.

The figures are those of `python -m benchmarks.pod_timelines`, on a real node with Istio. The kubelet reports the start of a container up to
a second late, and the task's own clock does not, so the picture begins when all containers are reported as running. See `docs.generate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from docs.drawing import PICTURES, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIGURES: Final = PICTURES / "pod_timelines.json"
PICTURE: Final = PICTURES / "pod_timelines.svg"

WIDTH: Final = 880
LEFT: Final = 120
RIGHT: Final = 20
ROW: Final = 26
BAR: Final = 16
TITLE: Final = 30
"""The height of a row, of its bar, and of a pod's title."""

FIRST: Final = -3.0
LAST: Final = 6.0
"""The time that is drawn, in seconds after the end of the task."""

TITLES: Final[Mapping[str, str]] = {
    "without": "Without the webhook",
    "wrapped": "Wrapped: the cluster has no native sidecars",
    "native": "Native: the sidecar is moved to the init containers",
}
"""Of the pods, in their order."""

LEGEND: Final = (
    ("green", 12, "the task"),
    ("pale-green", 92, "its container, until it is reported as ended"),
    ("violet", 380, "the injected sidecar"),
)
"""The styles of bars, where each is explained, and how."""


@dataclass(frozen=True)
class ContainerBar:
    """A rectangle."""

    style: str
    begin: float
    width: float


@dataclass(frozen=True)
class ContainerRow:
    """A container: its name, its bars, and whether it goes on behind the right edge."""

    name: str
    y: float
    bars: tuple[ContainerBar, ...]
    goes_on: bool


@dataclass(frozen=True)
class PodTimeline:
    """A pod: its rows, and what becomes of it."""

    title: str
    y: float
    rows: tuple[ContainerRow, ...]
    end: float | None
    ending: str


def timelines() -> str:
    """The picture."""
    figures = json.loads(FIGURES.read_text("utf-8"))
    shown = list(_pods(figures["pods"], figures["watched_seconds"]))
    height = shown[-1].y + TITLE + len(shown[-1].rows) * ROW + 56
    ticks = [(second, _at(second)) for second in range(int(FIRST), int(LAST) + 1)]
    return drawn(
        "pod_timelines.svg.jinja",
        pods=shown,
        width=WIDTH,
        height=height,
        left=LEFT,
        right=WIDTH - RIGHT,
        bar=BAR,
        row=ROW,
        ticks=ticks,
        legend=LEGEND,
    )


def _at(seconds: float) -> float:
    """The place of a time after the end of the task."""
    share = (seconds - FIRST) / (LAST - FIRST)
    return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)


def _bar(style: str, begin: float, end: float) -> ContainerBar:
    return ContainerBar(style, _at(begin), round(_at(end) - _at(begin), 1))


def _pods(pods: Mapping[str, Any], watched: float) -> Iterator[PodTimeline]:
    y = 14.0
    for name, title in TITLES.items():
        pod = pods[name]
        rows = tuple(_rows(pod, y + TITLE))
        after = pod["phase_seconds"] - pod["task"][1]
        is_over = pod["phase"] != "Running"
        ending = (
            f"the pod has {pod['phase'].lower()} {after:.1f} s after its task" if is_over else f"still Running {watched:g} s after its task"
        )
        yield PodTimeline(title, y, rows, _at(after) if is_over else None, ending)
        y += TITLE + len(rows) * ROW + 18


def _rows(pod: Mapping[str, Any], y: float) -> Iterator[ContainerRow]:
    ended = pod["task"][1]
    for number, name in enumerate(("istio-proxy", "base")):
        times = pod["containers"][name]
        end = times["ended"] - ended if "ended" in times else None
        bars = [_bar("violet" if name != "base" else "pale-green", FIRST, LAST if end is None else end)]
        if name == "base":
            bars.append(_bar("green", FIRST, 0))
        yield ContainerRow(name, y + number * ROW, tuple(bars), end is None)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(timelines(), "utf-8")
