"""Draws the diagrams of boxes and arrows: `review.svg`, `injectors.svg` and `reaper.svg` in `pictures`. See `docs.generate`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from docs.drawing import PICTURES, drawn
from webhook.reaper.act import Method
from webhook.reaper.notice import NoticeKind
from webhook.reaper.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

WIDTH: Final = 900
LINE: Final = 17
"""The height of a line of text."""

HALF_A_CHARACTER: Final = 3.0
"""Half the width of a character of a label."""


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text, the first in bold."""

    x: float
    y: float
    width: float
    lines: tuple[str, ...]
    colour: str = "violet"

    @property
    def height(self) -> float:
        """As its lines need it."""
        return 14 + LINE * len(self.lines)

    @property
    def centre(self) -> tuple[float, float]:
        """Where the arrows of it cross."""
        return self.x + self.width / 2, self.y + self.height / 2

    def edge_to(self, other: Box) -> tuple[float, float]:
        """Where the line from its centre to that of another box crosses its edge."""
        (x, y), (to_x, to_y) = self.centre, other.centre
        shares = [size / 2 / abs(step) for size, step in ((self.width, to_x - x), (self.height, to_y - y)) if step]
        share = min(shares)
        return round(x + (to_x - x) * share, 1), round(y + (to_y - y) * share, 1)


@dataclass(frozen=True)
class DiagramArrow:
    """An arrow, and what goes along."""

    begin: tuple[float, float]
    end: tuple[float, float]
    label: str

    @property
    def label_at(self) -> tuple[float, float]:
        """The middle of the foot of its label: above the arrow, the higher the steeper it is; upon one that goes straight up or down."""
        (x, y), (to_x, to_y) = self.begin, self.end
        steepness = abs((to_y - y) / (to_x - x)) if to_x != x else 0.0
        return (x + to_x) / 2, round((y + to_y) / 2 - 6 - steepness * len(self.label) * HALF_A_CHARACTER, 1)


@dataclass(frozen=True)
class Frame:
    """A rectangle around boxes, with its name."""

    x: float
    y: float
    width: float
    height: float
    name: str


@dataclass(frozen=True)
class Diagram:
    """Boxes by their names, arrows between them with what goes along, and frames around some of them."""

    title: str
    boxes: Mapping[str, Box]
    arrows: tuple[tuple[str, str, str], ...]
    frames: tuple[Frame, ...] = ()

    def drawn(self) -> str:
        """The picture."""
        arrows = [
            DiagramArrow(self.boxes[one].edge_to(self.boxes[other]), self.boxes[other].edge_to(self.boxes[one]), label)
            for one, other, label in self.arrows
        ]
        height = max(self._lower_edges()) + 14
        return drawn(
            "diagram.svg.jinja",
            title=self.title,
            boxes=self.boxes.values(),
            arrows=arrows,
            frames=self.frames,
            width=WIDTH,
            height=height,
            line=LINE,
        )

    def _lower_edges(self) -> Iterator[float]:
        yield from (box.y + box.height for box in self.boxes.values())
        yield from (frame.y + frame.height for frame in self.frames)


STEPS: Final = {
    "parse": (380, 98),
    "facts": (560, 98),
    "decide": (740, 98),
    "operations": (740, 214),
    "prove": (560, 214),
    "render": (380, 214),
}
"""The steps of the rules, and where each is."""

REVIEW: Final = Diagram(
    "How a review flows: from the API server through the rules, and back as a patch",
    {
        "api": Box(14, 150, 110, ("API server",), "grey"),
        "receive": Box(184, 90, 136, ("receive", "size, memory, time")),
        "observe": Box(184, 206, 136, ("log and count", "one line, metrics")),
        **{step: Box(x, y, 130, (step,), "green") for step, (x, y) in STEPS.items()},
        "policy": Box(550, 14, 330, ("policy: settings, catalogue, entrypoints", "cluster: what it supports, from the watcher"), "blue"),
    },
    (
        ("api", "receive", "review"),
        ("receive", "parse", "bytes"),
        *((one, other, "") for one, other in pairwise(STEPS)),
        ("policy", "decide", ""),
        ("render", "observe", ""),
        ("observe", "api", "patch"),
    ),
)

INJECTORS: Final = Diagram(
    "Where the webhook stands among injectors: it is called before them, and again after one has changed the pod",
    {
        "api": Box(
            14,
            14,
            872,
            (
                "API server: calls webhooks in the order of their configurations' names",
                "reinvocationPolicy IfNeeded: calls again after a later one has changed the pod",
            ),
            "grey",
        ),
        "first": Box(14, 110, 196, ("airflow-sidecar-webhook", "sets annotations by which", "injectors go native or quit"), "green"),
        "istio": Box(240, 110, 196, ("istio-sidecar-injector", "adds istio-proxy, as a native", "sidecar where it can")),
        "vault": Box(466, 110, 196, ("vault-agent-injector-cfg", "adds vault-agent, which is", "a regular container")),
        "again": Box(690, 110, 196, ("airflow-sidecar-webhook", "converts what is regular,", "or wraps the task"), "green"),
        "other": Box(
            14,
            214,
            872,
            (
                "In another order, or called more often: decided anew, as a function of the pod as it is",
                "only a sidecar that was injected before its annotation was set may stay regular, or have no quit request",
            ),
            "blue",
        ),
    },
    (("first", "istio", ""), ("istio", "vault", ""), ("vault", "again", "")),
)

REAPER: Final = Diagram(
    "The controller of the reaper: from a change of a pod to the act that ends it",
    {
        "api": Box(14, 44, 156, ("API server", "two lists and watches", "for each namespace"), "grey"),
        "inbox": Box(250, 53, 140, ("inbox", "what has happened")),
        "agenda": Box(470, 44, 200, ("agenda", "pods whose task has ended,", "and what was done to each"), "green"),
        "report": Box(728, 44, 158, ("Events, log, metrics", NoticeKind.SIDECAR_QUIT, NoticeKind.TASK_POD_ENDED), "blue"),
        "workers": Box(470, 160, 200, (f"{WORKERS} workers", "connect, read the pod again,", "and act")),
        "pod": Box(728, 160, 158, ("pod", "ended by one of", ", ".join(Method)), "grey"),
        "lease": Box(250, 262, 140, ("Lease", "memory of the acts"), "grey"),
    },
    (
        ("api", "inbox", "changes"),
        ("inbox", "agenda", ""),
        ("agenda", "report", "reports"),
        ("agenda", "workers", "an act is due"),
        ("workers", "inbox", "outcome"),
        ("workers", "lease", "1. begun"),
        ("workers", "pod", "2. act"),
        ("lease", "inbox", "acts of the replica before"),
    ),
    (Frame(230, 14, 456, 224, "a replica"),),
)

PICTURE_OF: Final[Mapping[Path, Diagram]] = {
    PICTURES / "review.svg": REVIEW,
    PICTURES / "injectors.svg": INJECTORS,
    PICTURES / "reaper.svg": REAPER,
}


def main() -> None:
    """Write the pictures."""
    for path, diagram in PICTURE_OF.items():
        path.write_text(diagram.drawn(), "utf-8")
