"""Makes the tables of reasons and metrics in docs/reaper.md from the code: see `docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from webhook.reaper.metrics import ReaperMetrics
from webhook.reaper.reason import ReaperReason

PAGE: Final = Path(__file__).parent / "reaper.md"
TABLE: Final = re.compile(r"(<!-- Made by `make docs` from webhook/reaper/(\w+).py. -->\n).*?(?=\n\n)", re.DOTALL)


def reasons() -> str:
    """The table of all reasons, in the order of the code."""
    rows = (f"| `{one}` | {one.verdict} | {one.sentence} | {one.remedy} |" for one in ReaperReason)
    return "\n".join(["| reason | verdict | meaning | what to do |", "|---|---|---|---|", *rows])


def metrics() -> str:
    """The table of all metrics."""
    families = [one for one in ReaperMetrics().registry.collect() if not one.name.startswith("process_")]
    rows = (f"| `{one.name}{'_total' if one.type == 'counter' else ''}` | {one.type} | {one.documentation} |" for one in families)
    return "\n".join(["| metric | type | |", "|---|---|---|", *rows])


TABLES: Final = {"reason": reasons, "metrics": metrics}
"""By the module of which each is made."""


def with_tables(page: str) -> str:
    """The page with its tables as they should be."""
    return TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}", page)


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
