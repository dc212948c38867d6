"""The targets for the figures, and whether they are met."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.contestants import CONSTANT, CONTROLLER_RUNTIME, NAIVE, WEBHOOK
from benchmarks.memory import growth
from benchmarks.output import MEBIBYTE
from benchmarks.wrapper import SHELLS, TRIALS, by_shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.memory import Reading
    from benchmarks.rounds import Results
    from benchmarks.wrapper import WrapperTrial

LEAST_RATIO: Final = {CONSTANT: 0.5, CONTROLLER_RUNTIME: 5.0, NAIVE: 15.0}
TAIL_CONNECTIONS: Final = 16
MOST_TAIL: Final = 3.0
MOST_RESIDENT_BYTES: Final = 64 * MEBIBYTE
# Flat: no more than the allocator's noise, 22 bytes a review over 90,000 reviews.
MOST_GROWTH_BYTES: Final = 2 * MEBIBYTE
MOST_WRAPPER_SECONDS: Final = 0.1


@dataclass(frozen=True)
class ClaimVerdict:
    """One target, the figure that was measured, and whether it meets the target."""

    claim: str
    measured: str
    met: bool


def rates(results: Results) -> list[ClaimVerdict]:
    """Compare the webhook's request rate with every peer's, at every number of connections."""
    pairs = [it for it in results.series if it[0] in LEAST_RATIO]
    return [rate(results, peer, connections) for peer, connections in sorted(pairs)]


def rate(results: Results, peer: str, connections: int) -> ClaimVerdict:
    """Compare the webhook's request rate with one peer's."""
    ratio = results.ratio(WEBHOOK, peer, connections)
    least = LEAST_RATIO[peer]
    claim = f"rate at least {least:g} x {peer}, connections: {connections}"
    return ClaimVerdict(claim, f"{ratio:.2f} x", ratio >= least)


def tail(results: Results) -> list[ClaimVerdict]:
    """Check the webhook's slow answers at 16 connections, if they were measured."""
    series = results.series.get((WEBHOOK, TAIL_CONNECTIONS), [])
    if not series:
        return []
    factor = median(it.p99 / it.p50 for it in series)
    claim = f"p99 at most {MOST_TAIL:g} x the median, connections: {TAIL_CONNECTIONS}"
    return [ClaimVerdict(claim, f"{factor:.2f} x", factor <= MOST_TAIL)]


def memory(readings: Sequence[Reading]) -> list[ClaimVerdict]:
    """Check resident memory at rest and over the reviews."""
    rest, grown = readings[0].resident_bytes, growth(readings)
    return [
        ClaimVerdict(
            f"resident memory at rest at most {MOST_RESIDENT_BYTES // MEBIBYTE} MiB",
            f"{rest / MEBIBYTE:.1f} MiB",
            rest <= MOST_RESIDENT_BYTES,
        ),
        ClaimVerdict(
            f"growth over 90,000 reviews at most {MOST_GROWTH_BYTES // MEBIBYTE} MiB",
            f"{grown / MEBIBYTE:+.2f} MiB",
            grown <= MOST_GROWTH_BYTES,
        ),
    ]


def wrapper(trials: Sequence[WrapperTrial]) -> list[ClaimVerdict]:
    """Check the slowest trial in each shell of this machine, at the start and at the end of the task."""
    made = by_shell(trials)
    names = [it.name for it in SHELLS if not it.missing()]
    return [verdict for name in names for verdict in wrapper_in(name, made.get(name, []))]


def wrapper_in(name: str, trials: Sequence[WrapperTrial]) -> list[ClaimVerdict]:
    """Check one shell."""
    if len(trials) < TRIALS:
        return [ClaimVerdict(f"wrapper in {name}: every task runs", f"{len(trials)} of {TRIALS}", met=False)]
    return [
        wrapper_time(f"{name}: from ready to start", max(it.ready_to_start for it in trials)),
        wrapper_time(f"{name}: added to the end", max(it.added_to_end for it in trials)),
    ]


def wrapper_time(what: str, seconds: float) -> ClaimVerdict:
    """Check one time of the wrapper."""
    claim = f"wrapper in {what}, at most {MOST_WRAPPER_SECONDS * 1e3:.0f} ms"
    return ClaimVerdict(claim, f"{seconds * 1e3:.1f} ms", seconds <= MOST_WRAPPER_SECONDS)
