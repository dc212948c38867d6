"""What the soak has measured over time, as CSV and as a plot in SVG."""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval.

    Args:
        seconds: Since the start, at its end.
        attack: What ran beside it; "" for none.
        created: Honest pods created since the start.
        missed: Those of them without the webhook's patch.
        refused: Honest pods that the API server did not create, since the start.
        hostile: Hostile pods reviewed through the API server since the start.
        p50_ms: The median duration of the creations in this interval, in milliseconds.
        p99_ms: Their 99th percentile.
        rss_mib: The webhook's resident memory.
        descriptors: Its open file descriptors.

    """

    seconds: int
    attack: str
    created: int
    missed: int
    refused: int
    hostile: int
    p50_ms: float
    p99_ms: float
    rss_mib: float
    descriptors: int


def write(samples: Sequence[Sample], path: Path) -> None:
    """One line for each sample."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([field.name for field in dataclasses.fields(Sample)])
        lines.writerows(dataclasses.astuple(sample) for sample in samples)


PANELS: Final[tuple[tuple[str, Callable[[Sample], float]], ...]] = (
    ("resident memory of the webhook, MiB", lambda sample: sample.rss_mib),
    ("open file descriptors of the webhook", lambda sample: sample.descriptors),
    ("creation of a pod through the API server, p99, ms", lambda sample: sample.p99_ms),
)
WIDTH: Final = 900
HEIGHT: Final = 150
LEFT: Final = 60
GAP: Final = 45
COLOURS: Final = ("#1f5fa8", "#8a4fa0", "#b3541e")


def draw(samples: Sequence[Sample], path: Path) -> None:
    """A panel for each measure over time; the intervals with an attack have a grey background."""
    total = len(PANELS) * (HEIGHT + GAP) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {total}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, measure) in enumerate(PANELS):
        lines += [
            f'<g transform="translate({LEFT},{number * (HEIGHT + GAP) + 30})">',
            *_panel(samples, title, measure, COLOURS[number]),
            "</g>",
        ]
    path.write_text("\n".join([*lines, "</svg>", ""]), "utf-8")


def _panel(samples: Sequence[Sample], title: str, measure: Callable[[Sample], float], colour: str) -> Iterator[str]:
    most = max([measure(sample) for sample in samples], default=0.0) or 1.0
    last = max([sample.seconds for sample in samples], default=0) or 1
    yield f'<text x="0" y="-8" font-weight="bold">{escape(title)}</text>'
    before = 0
    for sample in samples:
        if sample.attack:
            left, right = before / last * WIDTH, sample.seconds / last * WIDTH
            yield f'<rect x="{left:.1f}" y="0" width="{right - left:.1f}" height="{HEIGHT}" fill="#eee"><title>{escape(sample.attack)}</title></rect>'
        before = sample.seconds
    for part in (0.0, 0.5, 1.0):
        y = HEIGHT * (1 - part)
        yield f'<line x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{most * part:.0f}</text>'
    points = " ".join(f"{sample.seconds / last * WIDTH:.1f},{HEIGHT * (1 - measure(sample) / most):.1f}" for sample in samples)
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for minute in range(0, last // 60 + 1, max(1, last // 600)):
        yield f'<text x="{minute * 60 / last * WIDTH:.1f}" y="{HEIGHT + 15}" text-anchor="middle">{minute} min</text>'
