"""Mutation testing: ``python -m tests.mutation [MODULE...]``; without a module, all rules and the certificate authority.

mutmut changes one place of a function at a time, which is a mutant, and runs the tests that call the function. A mutant that no test notices
survives: a test is missing, or `equivalent.yaml` says why the change makes no difference. The result of a run over everything is written to
`summary.md`. Exit code 1: a survivor without an explanation, an explanation without a survivor, or a module below its share.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.mutation.equivalent import FILE, Equivalent, equivalents
from tests.mutation.results import FOLDER, Mutant, mutants_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MUTMUT: Final = Path(sys.executable).with_name("mutmut")
SUMMARY: Final = Path(__file__).with_name("summary.md")
WORKERS: Final = "1"
"""Stated, so that a run leaves a processor free."""

FLOOR: Final = 0.95
FLOORED: Final = frozenset(
    {
        "webhook.core.decision",
        "webhook.core.conversion",
        "webhook.core.operations",
        "webhook.core.patch",
        "webhook.core.facts",
        "certs.rotation",
    }
)
"""Of the mutants of these modules at least this share has to die."""


def all_modules() -> tuple[str, ...]:
    """Dotted names of the modules in which mutmut found something to change."""
    folders = (FOLDER / name for name in ("webhook/core", "certs"))
    paths = [path.relative_to(FOLDER) for folder in folders for path in sorted(folder.glob("*.py.meta"))]
    return tuple(path.as_posix().removesuffix(".py.meta").replace("/", ".") for path in paths)


def main(modules: tuple[str, ...]) -> int:
    """Try the mutants, and print and judge what came of them."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    patterns = [f"{module}.*" for module in modules]
    subprocess.run(["nice", MUTMUT, "run", "--max-children", WORKERS, *patterns], check=True)
    tried = list(mutants_of(modules or all_modules()))
    table = "\n".join(summary(tried))
    print(table)
    if not modules:
        SUMMARY.write_text(f"# Mutants\n\n`make mutants` wrote this page.\n\n{table}\n", "utf-8")
    problems = list(problems_of(tried, equivalents()))
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return bool(problems)


def summary(tried: Sequence[Mutant]) -> Iterator[str]:
    """A table with a line for each module."""
    mutants, dead = Counter(one.module for one in tried), Counter(one.module for one in tried if one.is_dead)
    yield "| module | mutants | killed | share |"
    yield "|---|---|---|---|"
    for module in mutants:
        yield f"| `{module}` | {mutants[module]} | {dead[module]} | {dead[module] / mutants[module]:.1%} |"


def problems_of(tried: Sequence[Mutant], explained: Sequence[Equivalent]) -> Iterator[str]:
    """What has to be mended, a line each."""
    survivors = {(one.function, one.change): one.name for one in tried if not one.is_dead}
    reasons = {(row.function, row.change) for row in explained}
    for (function, change), name in survivors.items():
        if (function, change) not in reasons:
            yield f"{name} survived: {'; '.join(change)}"
    modules = {one.module for one in tried}
    for function, change in reasons - survivors.keys():
        if any(function.startswith(f"{module}.") for module in modules):
            yield f"{FILE.name}: no mutant of {function} survives with the change {'; '.join(change)}"
    for module in sorted(FLOORED & modules):
        share = [one.is_dead for one in tried if one.module == module]
        if sum(share) < FLOOR * len(share):
            yield f"{module}: {sum(share)} of {len(share)} mutants died, which is less than {FLOOR:.0%}"


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
