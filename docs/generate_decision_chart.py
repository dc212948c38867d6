"""Draws what may become of a pod, with every reason: `pictures/decision.svg`, from the code's table of them. See `docs.generate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from docs.drawing import PICTURES, drawn
from webhook.core import Reason, SkipReason, Treatment

if TYPE_CHECKING:
    from collections.abc import Sequence

PICTURE: Final = PICTURES / "decision.svg"
WIDTH: Final = 900
COLUMN: Final = 176
ROW: Final = 18
TOP: Final = 84
"""The height above the first reason."""

OUTCOMES: Final = (
    ("skipped", None, "the pod is not changed", "grey"),
    ("labelled", Treatment.LABELLED, "labels and status", "blue"),
    ("native", Treatment.NATIVE, "ended by the kubelet", "green"),
    ("wrapped", Treatment.WRAPPED, "ended by the wrapper", "violet"),
    ("left", Treatment.LEFT, "may stay Running", "red"),
)
"""What becomes of a pod: its name, the treatment, what that means, and its colour."""


@dataclass(frozen=True)
class Column:
    """An outcome with its reasons."""

    name: str
    meaning: str
    colour: str
    x: float
    reasons: Sequence[str]


def decision_chart() -> str:
    """The picture."""
    columns = [
        Column(name, meaning, colour, 10 + number * COLUMN, [*SkipReason] if treatment is None else reasons_of(treatment))
        for number, (name, treatment, meaning, colour) in enumerate(OUTCOMES)
    ]
    height = TOP + max(len(column.reasons) for column in columns) * ROW + 10
    return drawn("decision.svg.jinja", columns=columns, width=WIDTH, height=height, top=TOP, row=ROW, column=COLUMN - 8)


def reasons_of(treatment: Treatment) -> list[str]:
    """The reasons that stand for a treatment."""
    return [reason for reason in Reason if reason.treatment is treatment]


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(decision_chart(), "utf-8")
