"""Runs attacks, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.attacks.catalogue import ATTACKS, CONNECTIONS
from webhook.server.descriptors import descriptors_for_connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.synchronize import Event

    from tests.attacks.target import Target

PROCESSES: Final = multiprocessing.get_context("spawn")
START_SECONDS: Final = 30.0
LOWEST_PRIORITY: Final = 19
"""Niceness of an attack's process: it gets what the service and its honest client leave of their cores, and a real attacker has its own."""


@contextmanager
def attacked_by(target: Target, names: Sequence[str]) -> Iterator[None]:
    """Run these attacks within this block, which begins when all of them have begun.

    Raises:
        RuntimeError: One of them has ended by itself, so it was not there all the time.

    """
    begun = [PROCESSES.Event() for _ in names]
    processes = [
        PROCESSES.Process(target=_attack, args=(name, target, event), daemon=True) for name, event in zip(names, begun, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        for event in begun:
            event.wait(START_SECONDS)
        yield
        ended = [name for name, process in zip(names, processes, strict=True) if not process.is_alive()]
        if ended:
            message = f"ended by itself: {', '.join(ended)}"
            raise RuntimeError(message)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _attack(name: str, target: Target, begun: Event) -> None:
    os.nice(LOWEST_PRIORITY)
    descriptors_for_connections(CONNECTIONS)
    attack = ATTACKS[name](target)
    begun.set()
    attack()
