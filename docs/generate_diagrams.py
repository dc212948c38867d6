"""Draws the diagrams: boxes and arrows of `pictures/review.svg` and `pictures/injectors.svg`. See `docs.generate`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from docs.drawing import PICTURES, drawn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIDTH: Final = 900
LINE: Final = 17
"""The height of a line of text."""


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
class Diagram:
    """Boxes by their names, and arrows between them with what goes along."""

    title: str
    boxes: Mapping[str, Box]
    arrows: tuple[tuple[str, str, str], ...]

    def drawn(self) -> str:
        """The picture."""
        arrows = [
            (self.boxes[one].edge_to(self.boxes[other]), self.boxes[other].edge_to(self.boxes[one]), label)
            for one, other, label in self.arrows
        ]
        height = max(box.y + box.height for box in self.boxes.values()) + 14
        return drawn("diagram.svg.jinja", title=self.title, boxes=self.boxes.values(), arrows=arrows, width=WIDTH, height=height, line=LINE)


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
        "receive": Box(170, 90, 150, ("receive", "size, memory, time")),
        "observe": Box(170, 206, 150, ("log and count", "one line, metrics")),
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

PICTURE_OF: Final[Mapping[Path, Diagram]] = {PICTURES / "review.svg": REVIEW, PICTURES / "injectors.svg": INJECTORS}


def main() -> None:
    """Write the pictures."""
    for path, diagram in PICTURE_OF.items():
        path.write_text(diagram.drawn(), "utf-8")
