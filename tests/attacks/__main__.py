"""Runs each attack beside an honest client, and prints what it costs: ``python -m tests.attacks [--of CHECKOUT] [ATTACK…]``.

Without names a second table has the cost of each hostile pod, and a third the attacks on the wrapper, whose tests run then.
Every process that runs beside it lengthens the times. Exit status: not 0 where a test of the wrapper fails.

``--of`` attacks the service and the wrapper of another checkout, in which ``make .venv/ready`` has run: those from before the bounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.attacks.attackers import attacked_by
from tests.attacks.catalogue import ATTACKS
from tests.attacks.earlier import show_answers, show_wrapper
from tests.attacks.honest import send_reviews
from tests.attacks.target import Target
from tests.attacks.wrapper import table, try_again
from tests.service.running_service import ROOT, RunningService, running_service
from tests.support.hostile_pods import HOSTILE_PODS
from tests.support.pods import ABLE_CLUSTER, review_of
from webhook.core import UNKNOWN_CLUSTER, admit, default_policy, parse_review, render_review

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from webhook.core import Cluster, Policy

ROUNDS: Final = 3
"""Of each attack; the table has their medians, and the sum of what was refused."""

CALM_SECONDS: Final = 3.0
SECONDS: Final = 5.0
MEBIBYTE: Final = 1024 * 1024
SAMPLE_SECONDS: Final = 0.1
UNREAD_LOG: Final = "log_that_nobody_reads"
"""Not an attack by a client: the container runtime does not read."""

ALL: Final = (*ATTACKS, UNREAD_LOG)


@dataclass(frozen=True, slots=True)
class Round:
    """One run of an attack.

    Args:
        peak_mib: The highest resident memory during the attack.
        descriptors: The most open descriptors.
        calm_ms: The p99 of honest reviews before the attack, in milliseconds.
        p50_ms: Their median during it.
        p99_ms: Their p99 during it.
        refused: Honest reviews without an answer.
        answered: Honest reviews that were answered.

    """

    peak_mib: float
    descriptors: int
    calm_ms: float
    p50_ms: float
    p99_ms: float
    refused: int
    answered: int


def main(names: Sequence[str], checkout: Path) -> None:
    """Print one row for the time without an attack, one for each attack, and one for all of them at once."""
    print("| attack | peak memory, MiB | most descriptors | p99 before, ms | p50, ms | p99, ms | times | refused | answered |")
    print("|---|---|---|---|---|---|---|---|---|")
    _row("none", [], checkout)
    for name in names:
        _row(name, [name], checkout)
    if len(names) > 1:
        _row("all at once", names, checkout)


def _row(title: str, attacks: Sequence[str], checkout: Path) -> None:
    rounds = [_round(attacks, checkout) for _ in range(ROUNDS)]
    peak, descriptors, calm, p50, p99 = (
        statistics.median(getattr(one, name) for one in rounds) for name in ("peak_mib", "descriptors", "calm_ms", "p50_ms", "p99_ms")
    )
    times = statistics.median(one.p99_ms / one.calm_ms for one in rounds)
    print(
        f"| {title.replace('_', ' ')} | {peak:.0f} | {descriptors:.0f} | {calm:.1f} | {p50:.1f} | {p99:.1f} | {times:.1f} "
        f"| {sum(one.refused for one in rounds)} | {sum(one.answered for one in rounds)} |",
        flush=True,
    )


def _round(attacks: Sequence[str], checkout: Path) -> Round:
    with (
        tempfile.TemporaryDirectory() as directory,
        running_service(Path(directory), read_seconds=5, checkout=checkout) as service,
    ):
        target = Target.of(service)
        calm = send_reviews(target, CALM_SECONDS)
        service.forget_peak()
        by_clients = [name for name in attacks if name != UNREAD_LOG]
        unread: AbstractContextManager[None] = _unread_log(service) if UNREAD_LOG in attacks else nullcontext()
        with _descriptors(service) as most, attacked_by(target, by_clients), unread:
            during = send_reviews(target, SECONDS)
        ordered = sorted(during.seconds) or [float("inf")]
        return Round(
            peak_mib=service.peak_rss_bytes() / MEBIBYTE,
            descriptors=most[0],
            calm_ms=calm.p99 * 1000,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=during.p99 * 1000,
            refused=during.refused,
            answered=len(during.seconds),
        )


@contextmanager
def _unread_log(service: RunningService) -> Iterator[None]:
    service.stop_reading()
    try:
        yield
    finally:
        service.resume_reading()


@contextmanager
def _descriptors(service: RunningService) -> Iterator[list[int]]:
    """The highest number of open descriptors, in a list of one, sampled while the block runs."""
    most = [0]
    ended = threading.Event()

    def sample() -> None:
        directory = Path(f"/proc/{service.process.pid}/fd")
        while not ended.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], sum(1 for _ in directory.iterdir()))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield most
    finally:
        ended.set()
        sampler.join()


def show_pods() -> None:
    """Print what the review of each hostile pod costs, in processor time: the longest on a cluster with and without native sidecars."""
    print("| hostile pod | body, KiB | review, ms | result |")
    print("|---|---|---|---|")
    policy = default_policy()
    for name, make in HOSTILE_PODS.items():
        body = review_of(make())
        reviews = [_review(body, policy, cluster) for cluster in (UNKNOWN_CLUSTER, ABLE_CLUSTER)]
        longest, result = max(reviews)
        print(f"| {name} | {len(body) / 1024:.0f} | {longest * 1000:.1f} | {result} |", flush=True)


def _review(body: bytes, policy: Policy, cluster: Cluster) -> tuple[float, str]:
    """The median processor time, in seconds, of all that the service does with a body, and what was decided."""
    durations = []
    for _ in range(ROUNDS):
        began = time.process_time()
        request = parse_review(body)
        outcome = admit(request, policy, cluster)
        render_review(request.uid, outcome.operations, outcome.warnings)
        durations.append(time.process_time() - began)
    return statistics.median(durations), f"{outcome.result}, {outcome.reason}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--of", metavar="CHECKOUT", type=lambda text: Path(text).resolve(), default=ROOT)
    parser.add_argument("attacks", metavar="ATTACK", nargs="*")
    given = parser.parse_args()
    unknown = [name for name in given.attacks if name not in ALL]
    if unknown:
        parser.error(f"no such attack: {', '.join(unknown)}; there are {', '.join(ALL)}")
    return given


if __name__ == "__main__":
    given = _arguments()
    main(given.attacks or ALL, given.of)
    if not given.attacks:
        print()
        if given.of == ROOT:
            show_pods()
            print(f"\n{table()}", flush=True)
            sys.exit(try_again())
        show_answers(given.of)
        print()
        show_wrapper(given.of)
