"""Draws the hour of honest and hostile load: `pictures/soak.svg`, from the samples in `figures/soak.csv`. See `docs.generate`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs.drawing import PICTURES, drawn
from tests.attacks.samples import Sample, read
from webhook.report.week_plot import round_above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SAMPLES: Final = Path(__file__).parent / "figures" / "soak.csv"
PICTURE: Final = PICTURES / "soak.svg"

WIDTH: Final = 900
LEFT: Final = 50
PANEL: Final = 120
GAP: Final = 44
"""The height of a panel, and between two."""

TICKS: Final = 6
PANELS: Final[tuple[tuple[str, str, Callable[[Sample], float]], ...]] = (
    ("Resident memory of the webhook, MiB", "blue", lambda sample: sample.rss_mib),
    ("Open file descriptors of the webhook", "violet", lambda sample: sample.descriptors),
    ("Creation of a pod through the API server, p99, ms", "green", lambda sample: sample.p99_ms),
)


def soak_plot() -> str:
    """The picture."""
    samples = read(SAMPLES)
    last = samples[-1].seconds

    def at(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 10) * seconds / last, 1)

    panels = []
    for number, (title, colour, measure) in enumerate(PANELS):
        y, top = 30 + number * (PANEL + GAP), round_above(max(measure(sample) for sample in samples))
        corners = " ".join(f"{at(sample.seconds)},{y + PANEL * (1 - measure(sample) / top):.1f}" for sample in samples)
        panels.append((title, colour, corners, [(y + PANEL * (1 - part), f"{top * part:,.10g}") for part in (0, 0.5, 1)]))
    return drawn(
        "soak.svg.jinja",
        panels=panels,
        attacks=[(name, at(begin), round(at(end) - at(begin), 1)) for name, begin, end in _attacks(samples)],
        ticks=[(at(last * number / TICKS), f"{last * number / TICKS / 60:.0f} min") for number in range(TICKS + 1)],
        width=WIDTH,
        left=LEFT,
        end=30 + len(PANELS) * (PANEL + GAP) - GAP,
    )


def _attacks(samples: Sequence[Sample]) -> Iterator[tuple[str, int, int]]:
    """Each attack that a sample saw, with the seconds of its begin and its end."""
    begin = 0
    for sample, following in pairwise((*samples, samples[-1])):
        if following.attack != sample.attack or following is sample:
            if sample.attack:
                yield sample.attack.replace("_", " "), begin, sample.seconds
            begin = sample.seconds


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(soak_plot(), "utf-8")
