"""The page `summary.md`: a row for each module, as its last run left it, with the commit that was tried."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.mutation.verdict import EXPLAINED, KILLED, OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE: Final = Path(__file__).with_name("summary.md")

HEAD: Final = """# Mutants

`make mutants` writes this page; `make mutants MODULE=…` renews the rows of its modules.

| module | mutants | killed | share | survived, explained | survived, not explained | commit |
|---|---|---|---|---|---|---|
"""
ROW: Final = re.compile(
    r"\| `(?P<module>[^`]+)` \| \d+ \| (?P<killed>\d+) \| [\d.]+% \| (?P<explained>\d+) \| (?P<open>\d+) \| (?P<commit>[^|]+) \|"
)


def table(counts: Mapping[str, Counter[str]], commits: Mapping[str, str]) -> Iterator[str]:
    """A line for each module, and one for all."""
    for module in sorted(counts):
        yield _line(f"`{module}`", counts[module], commits[module])
    yield _line("all", sum(counts.values(), Counter()), "")


def renew(counts: Mapping[str, Counter[str]], commit: str, modules: list[str]) -> None:
    """Write the page anew: these counts, and the earlier rows of the other ``modules``; rows of modules that are gone go."""
    earlier = [row for row in ROW.finditer(PAGE.read_text("utf-8")) if row["module"] in modules]
    known = {
        row["module"]: Counter({KILLED: int(row["killed"]), EXPLAINED: int(row["explained"]), OPEN: int(row["open"])}) for row in earlier
    }
    commits = {row["module"]: row["commit"] for row in earlier} | dict.fromkeys(counts, commit)
    PAGE.write_text(HEAD + "\n".join(table(known | dict(counts), commits)) + "\n", "utf-8")


def _line(title: str, count: Counter[str], commit: str) -> str:
    share = count[KILLED] / count.total()
    return f"| {title} | {count.total()} | {count[KILLED]} | {share:.1%} | {count[EXPLAINED]} | {count[OPEN]} | {commit} |"
