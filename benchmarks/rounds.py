"""Rounds: in each, every contestant is measured once at every number of connections, in turns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.load import Measurement, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.server import RunningServer

WARM_UP_SECONDS = 1
WARM_UP_CONNECTIONS = 16


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: int
    connections: Sequence[int]


@dataclass(frozen=True)
class Results:
    """All measurements, by contestant and number of connections, in the order of the rounds."""

    series: dict[tuple[str, int], list[Measurement]]

    def median_of(self, name: str, connections: int, figure: Callable[[Measurement], float]) -> float:
        """Return the median over the rounds of one figure."""
        return median(figure(it) for it in self.series[name, connections])

    def ratio(self, name: str, peer: str, connections: int) -> float:
        """Return how many times the rate of the peer this contestant reached: the median of `rates`."""
        return median(self.rates(name, peer, connections))

    def cpu_ratio(self, name: str, peer: str, connections: int) -> float:
        """Return how many times the reviews of the peer this contestant answers in the same processor time: the median of `cpu_times`."""
        return median(self.cpu_times(name, peer, connections))

    def rates(self, name: str, peer: str, connections: int) -> list[float]:
        """Return the ratio of the rates of each round.

        Its two runs are seconds apart, so that a machine that slows down between rounds does not count for or against anyone.
        """
        pairs = zip(self.series[name, connections], self.series[peer, connections], strict=True)
        return [webhook.rate / other.rate for webhook, other in pairs]

    def cpu_times(self, name: str, peer: str, connections: int) -> list[float]:
        """Return the ratio of the reviews that are answered in the same processor time, of each round.

        It holds on a busy machine too, where a rate counts time that others had.
        """
        pairs = zip(self.series[name, connections], self.series[peer, connections], strict=True)
        return [other.cpu_per_review / webhook.cpu_per_review for webhook, other in pairs]


def run(plan: Plan, servers: Sequence[RunningServer], body: Path, progress: Callable[[str], None]) -> Results:
    """Measure every server by the plan, after one run of each that is not counted."""
    for server in servers:
        measure(server, body, WARM_UP_CONNECTIONS, WARM_UP_SECONDS)
    series: dict[tuple[str, int], list[Measurement]] = {}
    for number in range(plan.rounds):
        for connections in plan.connections:
            for server in servers:
                measurement = measure(server, body, connections, plan.seconds)
                series.setdefault((server.name, connections), []).append(measurement)
        progress(f"round {number + 1} of {plan.rounds} done")
    return Results(series)
