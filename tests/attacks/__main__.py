"""Runs each attack beside an honest client, and prints what it costs: ``python -m tests.attacks [ATTACK…]``."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.attacks.catalogue import ATTACKS
from tests.attacks.honest import send_reviews
from tests.attacks.target import Target
from tests.service.running_service import RunningService, running_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS: Final = 5.0
MEBIBYTE: Final = 1024 * 1024
SAMPLE_SECONDS: Final = 0.1
PROCESSES: Final = multiprocessing.get_context("spawn")


def main(names: Sequence[str]) -> None:
    """Print one row for the time without an attack, one for each attack, and one for all of them at once."""
    print("| attack | peak memory, MiB | most descriptors | p50 of honest reviews, ms | p99, ms | refused | answered |")
    print("|---|---|---|---|---|---|---|")
    _row("none", [])
    for name in names:
        _row(name, [name])
    if len(names) > 1:
        _row("all at once", names)


def _row(title: str, attacks: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as directory, running_service(Path(directory) / _made(directory), read_seconds=5) as service:
        target = Target(service.port, service.health_port, service.certificates.authority.certificate_pem.decode())
        service.forget_peak()
        with _descriptors(service) as most, _running(target, attacks):
            experience = send_reviews(target, SECONDS)
        ordered = sorted(experience.seconds) or [float("inf")]
        print(
            f"| {title.replace('_', ' ')} | {service.peak_rss_bytes() / MEBIBYTE:.0f} | {most[0]} | {ordered[len(ordered) // 2] * 1000:.1f} "
            f"| {experience.p99 * 1000:.1f} | {experience.refused} | {len(experience.seconds)} |",
            flush=True,
        )


def _made(directory: str) -> str:
    (Path(directory) / "tls").mkdir()
    return "tls"


@contextmanager
def _running(target: Target, attacks: Sequence[str]) -> Iterator[None]:
    """The attacks, each in a process of its own, which is ended afterwards."""
    processes = [PROCESSES.Process(target=ATTACKS[name], args=(target,), daemon=True) for name in attacks]
    for process in processes:
        process.start()
    if processes:
        time.sleep(1.5)  # the interpreters start beside the service, on the same cores
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


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


if __name__ == "__main__":
    main(sys.argv[1:] or list(ATTACKS))
