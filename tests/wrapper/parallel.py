"""Checks that mostly wait, many at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def check_in_parallel(check: Callable[[T], None], cases: Iterable[T]) -> None:
    """Check every case in a thread of its own. Raises the first failure, with its case as a note."""
    all_cases = list(cases)
    with ThreadPoolExecutor(len(all_cases)) as pool:
        checks = [(case, pool.submit(check, case)) for case in all_cases]
    for case, finished in checks:
        failure = finished.exception()
        if failure is not None:
            failure.add_note(f"in the case {case}")
            raise failure
