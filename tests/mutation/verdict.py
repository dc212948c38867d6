"""What became of the mutants, and what has to be mended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.mutation.equivalent import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.mutation.equivalent import Equivalent
    from tests.mutation.floor import Floor
    from tests.mutation.mutant import Result

KILLED, EXPLAINED, OPEN = "killed", "explained", "open"


def problems(results: Sequence[Result], explained: Sequence[Equivalent], floors: Mapping[str, Floor]) -> Iterator[str]:
    """What has to be mended, a line each."""
    counts = counts_of(results, explained)
    for module in counts.keys() & floors.keys():
        floor, count = floors[module], counts[module]
        if count[KILLED] < floor.killed * count.total():
            yield f"{module}: {count[KILLED]} of {count.total()} mutants were killed, which is less than {floor.killed:.0%}"
        if floor.unexplained is not None and count[OPEN] > floor.unexplained:
            yield f"{module}: {count[OPEN]} mutants survived without an explanation, which is more than {floor.unexplained}"
    survivors = {_key(one) for one in results if not one.killer}
    for row in explained:
        if (row.function, row.change) not in survivors and any(row.function.startswith(f"{module}.") for module in counts):
            yield f"{FILE.name}: no mutant of {row.function} survives with the change {' '.join(row.change)}"


def counts_of(results: Sequence[Result], explained: Sequence[Equivalent]) -> dict[str, Counter[str]]:
    """How many mutants of each module were killed, how many survived with an explanation and how many without."""
    equivalent = {(row.function, row.change) for row in explained}
    counts: dict[str, Counter[str]] = {module: Counter() for module in sorted({one.mutant.module for one in results})}
    for one in results:
        counts[one.mutant.module][KILLED if one.killer else EXPLAINED if _key(one) in equivalent else OPEN] += 1
    return counts


def _key(result: Result) -> tuple[str, tuple[str, ...]]:
    return result.mutant.function, result.mutant.change
