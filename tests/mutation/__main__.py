"""``python -m tests.mutation [MODULE...]``, as `make mutants` runs it; without a module, all rules and the certificate authority.

The result of a run over everything is written to `summary.md`. Exit code 1: a survivor that `equivalent.yaml` does not explain, an explanation
without a survivor, or a module below its share.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tests.mutation import runner
from tests.mutation.copies import COPY, ROOT, write_copy
from tests.mutation.equivalent import FILE, Equivalent, equivalents
from tests.mutation.mutant import Result
from tests.support import search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUMMARY: Final = Path(__file__).with_name("summary.md")
MUTATED: Final = ("webhook/core", "certs")
TESTS: Final = ("tests/unit/core", "tests/unit/certs", "tests/unit/data", "tests/unit/test_settings.py", "tests/golden")
LEFT_OUT: Final = (
    "tests/unit/core/test_cost.py",
    "tests/unit/core/test_properties.py",
    "tests/unit/core/test_real_pods.py",
    "tests/unit/certs/test_manager_hostile.py",
    "tests/unit/certs/test_rotation_interleaved.py",
)
"""They take longer than all others together. A mutant that only they kill, by luck or by one of 149 pods, has no test that says what is wrong."""

OPTIONS: Final = (
    "--capture=no",
    "--assert=plain",
    "--tb=no",
    "--timeout=0",
    f"--hypothesis-profile={search.MUTANTS}",
    "--no-header",
    "--quiet",
)
"""Nobody reads the report of a failure. `runner` has a time limit of its own."""

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
"""Of the mutants of these modules at least this share has to be killed."""


def all_modules() -> list[str]:
    """Dotted names of the modules that are mutated."""
    paths = [path.relative_to(ROOT) for folder in MUTATED for path in sorted((ROOT / folder).glob("*.py")) if path.stem != "__init__"]
    return [path.with_suffix("").as_posix().replace("/", ".") for path in paths]


def main(modules: Sequence[str]) -> int:
    """Try the mutants, print what became of them, and judge it."""
    began = time.monotonic()
    mutants = write_copy(modules or all_modules())
    (COPY / runner.MUTANTS).write_bytes(msgspec.json.encode(mutants))
    command = [
        "nice",
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-p",
        runner.__name__,
        *OPTIONS,
        *(f"--ignore={path}" for path in LEFT_OUT),
        *TESTS,
    ]
    subprocess.run(command, cwd=COPY, env={"PYTHONPATH": str(COPY)}, check=True)
    results = [msgspec.json.decode(line, type=Result) for line in (COPY / runner.RESULTS).read_bytes().splitlines()]
    explained = equivalents()
    table = "\n".join(summary(results, explained))
    print(table)
    if not modules:
        minutes = (time.monotonic() - began) / 60
        SUMMARY.write_text(f"# Mutants\n\n`make mutants` wrote this page: {commit()}, {minutes:.0f} minutes.\n\n{table}\n", "utf-8")
    problems = list(problems_of(results, explained))
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


def commit() -> str:
    """The commit that was tried, and its date."""
    shown = subprocess.run(
        ["git", "show", "--no-patch", "--format=commit %h of %cs", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, check=False).returncode != 0
    return shown.stdout.strip() + (" with changes" if changed else "")


def summary(results: Sequence[Result], explained: Sequence[Equivalent]) -> Iterator[str]:
    """A table with a line for each module, and one for all."""
    equivalent = {(row.function, row.change) for row in explained}
    yield "| module | mutants | killed | share | survived, explained | survived, not explained |"
    yield "|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for module in sorted({one.mutant.module for one in results}):
        own = [one for one in results if one.mutant.module == module]
        count = Counter("killed" if one.killer else "explained" if _key(one) in equivalent else "open" for one in own)
        total += count
        yield _line(f"`{module}`", count)
    yield _line("all", total)


def _line(title: str, count: Counter[str]) -> str:
    share = count["killed"] / count.total()
    return f"| {title} | {count.total()} | {count['killed']} | {share:.1%} | {count['explained']} | {count['open']} |"


def _key(result: Result) -> tuple[str, tuple[str, ...]]:
    return result.mutant.function, result.mutant.change


def problems_of(results: Sequence[Result], explained: Sequence[Equivalent]) -> Iterator[str]:
    """What has to be mended, a line each."""
    survivors = {_key(one): one for one in results if not one.killer}
    reasons = {(row.function, row.change) for row in explained}
    for (function, change), one in survivors.items():
        if (function, change) not in reasons:
            yield f"{function}, called by {one.tests} tests, survived: {' '.join(change)}"
    modules = {one.mutant.module for one in results}
    for function, change in reasons - survivors.keys():
        if any(function.startswith(f"{module}.") for module in modules):
            yield f"{FILE.name}: no mutant of {function} survives with the change {' '.join(change)}"
    for module in sorted(FLOORED & modules):
        killed = [one.killer is not None for one in results if one.mutant.module == module]
        if sum(killed) < FLOOR * len(killed):
            yield f"{module}: {sum(killed)} of {len(killed)} mutants were killed, which is less than {FLOOR:.0%}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
