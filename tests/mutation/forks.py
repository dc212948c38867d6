"""Work in forks of this process, several at a time, each with a time limit."""

from __future__ import annotations

import os
import select
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITING: Final = 10
"""A fork that waits for what never comes takes no CPU time; one on a busy machine takes a long time, and does end."""

T = TypeVar("T")


@dataclass(frozen=True)
class Work(Generic[T]):
    """What one fork does.

    Args:
        subject: What it is about.
        run: What it does; its text is the answer.
        seconds: After this CPU time, or `WAITING` times as long by the clock, it is ended; 0: no limit.

    """

    subject: T
    run: Callable[[], str]
    seconds: int


def in_forks(works: Iterator[Work[T]], at_once: int) -> Iterator[tuple[T, str | None]]:
    """Each subject with the answer of its fork, in the order in which they end; None: the fork ended without an answer.

    The next work is taken when there is room for it, so it can depend on earlier answers.
    """
    running: dict[int, tuple[T, int]] = {}
    for work in works:
        answer, its_end = os.pipe()
        child = os.fork()
        if not child:
            _run(work, its_end)
        os.close(its_end)
        running[answer] = work.subject, child
        if len(running) == at_once:
            yield _first_end(running)
    while running:
        yield _first_end(running)


def _first_end(running: dict[int, tuple[T, int]]) -> tuple[T, str | None]:
    """Wait for one of them, and remove it. A fork has ended when it has closed its end of the pipe."""
    ready, _, _ = select.select(running, [], [])
    subject, child = running.pop(ready[0])
    with os.fdopen(ready[0], encoding="utf-8") as stream:
        text = stream.read()
    return subject, text if os.waitpid(child, 0)[1] == 0 else None


def _run(work: Work[T], answer: int) -> None:
    """Never returns."""
    code = 1
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(silence, stream.fileno())
        for ends in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(ends, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, work.seconds)
        signal.alarm(WAITING * work.seconds)
        with os.fdopen(answer, "w", encoding="utf-8") as stream:
            stream.write(work.run())
        code = 0
    finally:
        os._exit(code)
