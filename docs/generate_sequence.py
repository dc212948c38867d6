"""Draws how the reaper ends one pod, message by message: `pictures/reaper_sequence.svg`. See `docs.generate`.

The times, the attempts and the names of Events are those of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from docs.drawing import PICTURES, drawn
from webhook.reaper.act import ActOutcome
from webhook.reaper.decision import DEFAULT_GRACE, FIRST_PAUSE, MOST_ATTEMPTS, USUAL_DRAIN
from webhook.reaper.notice import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE: Final = PICTURES / "reaper_sequence.svg"
WIDTH: Final = 760
HEAD: Final = 44
"""The height of the names above the lines."""

LINE: Final = 16
"""The height of a line of text."""

AT: Final = {"kubelet": 70, "API server": 280, "reaper": 490, "sidecar": 690}
"""Who takes part, and where each has its line."""


@dataclass(frozen=True)
class Message:
    """What one of them sends to another, in lines of text."""

    sender: str
    receiver: str
    lines: tuple[str, ...]
    is_answer: bool = False


@dataclass(frozen=True)
class Pause:
    """What is waited for, from the line of one to the line of another."""

    first: str
    last: str
    lines: tuple[str, ...]


STEPS: Final = (
    Message("kubelet", "API server", ("status: the task's", "container has ended")),
    Message("API server", "reaper", ("watch event",)),
    Pause("API server", "sidecar", ("waits for other work (XCom, unknown containers),", f"then for the grace: {DEFAULT_GRACE.seconds} s")),
    Message("reaper", "API server", ("Lease: this act has begun",)),
    Message("reaper", "sidecar", ("opens a port-forward, through", "API server and kubelet")),
    Message("reaper", "API server", ("reads the pod again,", "and decides again")),
    Message("reaper", "sidecar", ("quit request",)),
    Message("sidecar", "reaper", ("HTTP 200",), is_answer=True),
    Message("reaper", "API server", (f"Lease: {ActOutcome.ACCEPTED}", f"Event {NoticeKind.SIDECAR_QUIT}")),
    Pause(
        "API server",
        "sidecar",
        (f"the sidecar has its time to drain: {USUAL_DRAIN.seconds} s,", "unless its row of the catalogue names another"),
    ),
    Message("sidecar", "kubelet", ("exits 0",)),
    Message("kubelet", "API server", ("status: the pod is Succeeded", "or Failed, as its task")),
    Message("API server", "reaper", ("watch event",)),
    Message("reaper", "API server", (f"Event {NoticeKind.TASK_POD_ENDED}",)),
    Pause(
        "API server",
        "sidecar",
        (
            f"without an answer: tried {MOST_ATTEMPTS} times in all, with pauses of "
            + " and ".join(f"{FIRST_PAUSE.seconds * 2**number} s" for number in range(MOST_ATTEMPTS - 1)),
            "if the sidecar refuses or runs on: the next method",
        ),
    ),
)


@dataclass(frozen=True)
class MessageArrow:
    """A message with its place; each line of text has its own height."""

    begin: float
    end: float
    y: float
    is_answer: bool
    lines: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class PauseBlock:
    """A pause with its place."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[tuple[float, str], ...]


def sequence() -> str:
    """The picture."""
    shown = list(_placed())
    arrows = [one for one in shown if isinstance(one, MessageArrow)]
    blocks = [one for one in shown if isinstance(one, PauseBlock)]
    height = max(block.y + block.height for block in blocks) + 16
    return drawn("sequence.svg.jinja", names=AT.items(), arrows=arrows, blocks=blocks, width=WIDTH, height=height, head=HEAD)


def _placed() -> Iterator[MessageArrow | PauseBlock]:
    """The steps from top to bottom."""
    y = HEAD + 8.0
    for step in STEPS:
        size = LINE * len(step.lines)
        if isinstance(step, Message):
            lines = tuple((y + LINE * number - 4, words) for number, words in enumerate(step.lines, 1))
            yield MessageArrow(AT[step.sender], AT[step.receiver], y + size + 2, step.is_answer, lines)
            y += size + 12
        else:
            lines = tuple((y + LINE * number + 6, words) for number, words in enumerate(step.lines, 1))
            left, right = AT[step.first] + 24, AT[step.last] + 54
            yield PauseBlock(left, y + 4, right - left, size + 10, lines)
            y += size + 26


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(sequence(), "utf-8")
