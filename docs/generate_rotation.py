"""Draws a rotation of the certificate authority, from the durations in `certs`: `pictures/rotation.svg`. See `docs.generate`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from certs.authority import RENEWAL
from certs.lifetimes import DEFAULT_LIFETIMES
from docs.drawing import PICTURES, drawn

PICTURE: Final = PICTURES / "rotation.svg"
WIDTH: Final = 900
LEFT: Final = 190
ROW: Final = 28
DAY: Final = timedelta(days=1)
DRAWN: Final = timedelta(days=12)
BEFORE: Final = timedelta(days=2)
"""The time that is drawn, and the part of it before the rotation."""


def rotation() -> str:
    """The picture."""
    lives = DEFAULT_LIFETIMES
    due = lives.authority * RENEWAL
    signs = due + lives.propagation
    over = signs + lives.leaf + lives.grace
    begin, end = due - BEFORE, due - BEFORE + DRAWN

    def at(moment: timedelta) -> float:
        return round(LEFT + (moment - begin) / DRAWN * (WIDTH - LEFT - 20), 1)

    rows = [
        ("authority in the Secret", [("violet", begin, over, "first")]),
        ("", [("green", due, end, "second")]),
        ("caBundle trusts", [("violet", begin, due, "first"), ("blue", due, over, "first and second"), ("green", over, end, "second")]),
        ("each replica's leaf", [("violet", begin, signs, "by first"), ("green", signs, end, "by second")]),
        ("leaves of the first, valid", [("pale-violet", begin, signs + lives.leaf, "until then at the latest")]),
    ]
    tracks = [(name, [(colour, at(start), at(stop) - at(start), words) for colour, start, stop, words in bars]) for name, bars in rows]
    events = [(at(due), f"day {due // DAY}: a second authority"), (at(over), f"day {over // DAY}: the first is removed")]
    ticks = [(day, at(day * DAY)) for day in range(begin // DAY + 1, end // DAY + 1)]
    height = 40 + len(tracks) * ROW + 34
    return drawn("rotation.svg.jinja", tracks=tracks, events=events, ticks=ticks, width=WIDTH, height=height, left=LEFT, row=ROW)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(rotation(), "utf-8")
