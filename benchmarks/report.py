"""The report: tables for a reader, and JSON with every single measurement."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.contestants import WEBHOOK
from benchmarks.load import Measurement
from benchmarks.rounds import Results
from benchmarks.wrapper import by_shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.memory import Reading
    from benchmarks.rounds import Plan
    from benchmarks.verdicts import ClaimVerdict
    from benchmarks.wrapper import WrapperTrial
    from tests.support.json_object import JSONObject


CONFIDENCE: Final = 1.96
"""Standard deviations of the normal distribution: 95 % lie within."""


@dataclass(frozen=True)
class BenchmarkReport:
    """All that one run of the benchmarks found."""

    plan: Plan
    review_bytes: int
    results: Results
    readings: Sequence[Reading]
    trials: Sequence[WrapperTrial]
    verdicts: Sequence[ClaimVerdict]

    def text(self) -> str:
        """Return it for a reader."""
        parts = [
            heading(self.plan, self.review_bytes),
            table(rates_rows(self.results)),
            table(memory_rows(self.readings)),
            table(trials_rows(self.trials)),
            table(verdicts_rows(self.verdicts)),
        ]
        return "\n\n".join(parts)

    def document(self) -> JSONObject:
        """Return it with every single measurement, for a JSON file."""
        return {
            "plan": asdict(self.plan),
            "review_bytes": self.review_bytes,
            "runs": runs(self.results),
            "memory": [asdict(it) for it in self.readings],
            "wrapper": [asdict(it) for it in self.trials],
            "verdicts": [asdict(it) for it in self.verdicts],
        }


def middle(values: Sequence[float], digits: int = 3) -> str:
    """Return the median to so many digits, and between which two of the values that of all there could be lies, with 95 %.

    By the number of values below it, which is binomial whatever their distribution; the normal approximation to that.
    """
    ordered, half = sorted(values), len(values) / 2
    lowest = max(0, math.floor(half - CONFIDENCE * math.sqrt(half / 2)))
    shown, low, high = (f"{it:.{digits}f}" for it in (median(ordered), ordered[lowest], ordered[-1 - lowest]))
    return f"{shown} ({low} to {high})"


def heading(plan: Plan, review_bytes: int) -> str:
    """Return what was measured, and how."""
    return (
        f"A review of {review_bytes:,} bytes over TLS 1.3 on open connections; "
        "one server process on core 0, wrk on core 1;\n"
        f"medians of {plan.rounds} rounds of {plan.seconds} s, one contestant after the other; "
        "ratios compare runs of the same round.\n"
        "The webhook writes its log line for each review to a file on disk; the peers log none."
    )


def rates_rows(results: Results) -> list[list[str]]:
    """Return rates, times and ratios, one line for each number of connections and contestant."""
    figures = ["reviews/s", "p50 ms", "p99 ms", "CPU µs a review"]
    head = ["connections", "", *figures, "webhook is", "for the same CPU"]
    keys = sorted(results.series, key=lambda key: key[1])
    return [head, *(rates_row(results, *key) for key in keys)]


def rates_row(results: Results, name: str, connections: int) -> list[str]:
    """Return one line of the table of rates."""

    def of(figure: str, scale: float) -> float:
        return results.median_of(name, connections, lambda it: getattr(it, figure) * scale)

    return [
        str(connections),
        name,
        f"{of('rate', 1):,.0f}",
        f"{of('p50', 1e3):.2f}",
        f"{of('p99', 1e3):.2f}",
        f"{of('cpu_per_review', 1e6):,.0f}",
        *ratios(results, name, connections),
    ]


def ratios(results: Results, peer: str, connections: int) -> list[str]:
    """Return how many times the peer the webhook is, by rate and by processor time."""
    if peer == WEBHOOK:
        return ["", ""]
    by_rate = results.ratio(WEBHOOK, peer, connections)
    by_cpu = results.cpu_ratio(WEBHOOK, peer, connections)
    return [f"{by_rate:.2f} x", f"{by_cpu:.2f} x"]


def memory_rows(readings: Sequence[Reading]) -> list[list[str]]:
    """Return resident memory after each step."""
    return [["reviews", "resident MiB"], *([f"{it.reviews:,}", f"{it.resident_bytes / 2**20:.1f}"] for it in readings)]


def trials_rows(trials: Sequence[WrapperTrial]) -> list[list[str]]:
    """Return what the wrapper took in each shell: the median of its trials, and the slowest."""
    head = ["wrapper in", "trials", "ready to start, median ms", "slowest", "added to the end, median ms", "slowest"]
    return [head, *(trials_row(name, own) for name, own in by_shell(trials).items())]


def trials_row(name: str, trials: Sequence[WrapperTrial]) -> list[str]:
    """Return one line of the table of trials."""
    starts = [it.ready_to_start * 1e3 for it in trials]
    ends = [it.added_to_end * 1e3 for it in trials]
    figures = (median(starts), max(starts), median(ends), max(ends))
    return [name, str(len(trials)), *(f"{it:.1f}" for it in figures)]


def verdicts_rows(verdicts: Sequence[ClaimVerdict]) -> list[list[str]]:
    """Return every target with its figure."""
    return [["target", "measured", ""], *([it.claim, it.measured, "met" if it.met else "missed"] for it in verdicts)]


def results_of(measured: Sequence[JSONObject]) -> Results:
    """Return the measurements of `runs`, in their order."""
    names = [field.name for field in fields(Measurement)]
    series: dict[tuple[str, int], list[Measurement]] = {}
    for it in measured:
        series.setdefault((it["contestant"], it["connections"]), []).append(Measurement(**{name: it[name] for name in names}))
    return Results(series)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def runs(results: Results) -> list[JSONObject]:
    """Return every measurement, with the contestant, the connections and the round it is of."""
    return [
        {"contestant": name, "connections": connections, "round": number, **asdict(measurement)}
        for (name, connections), series in results.series.items()
        for number, measurement in enumerate(series, 1)
    ]
