"""What the soak has measured over time, as CSV."""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def read(path: Path) -> list[Sample]:
    """The samples of such a file."""
    kinds = {"attack": str, "p50_ms": float, "p99_ms": float, "rss_mib": float}
    with path.open(encoding="utf-8", newline="") as file:
        return [Sample(**{name: kinds.get(name, int)(value) for name, value in line.items()}) for line in csv.DictReader(file)]
