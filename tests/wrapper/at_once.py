"""Checks that wait more than they work, many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def at_once(check: Callable[[T], None], cases: Iterable[T]) -> None:
    """Check every case in a thread of its own; the first failure is raised, with its case as a note."""
    wanted = list(cases)
    with ThreadPoolExecutor(len(wanted)) as pool:
        running = [(case, pool.submit(check, case)) for case in wanted]
    for case, done in running:
        failure = done.exception()
        if failure is not None:
            failure.add_note(f"in the case {case}")
            raise failure
