"""Makes the table of reasons in docs/reaper.md from the code: see `docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from webhook.reaper.reason import ReaperReason

PAGE: Final = Path(__file__).parent / "reaper.md"
TABLE: Final = re.compile(r"(?<=<!-- Made by `make docs` from webhook/reaper/reason.py. -->\n).*?(?=\n\n)", re.DOTALL)


def reasons() -> str:
    """The table of all reasons, in the order of the code."""
    rows = (f"| `{one}` | {one.verdict} | {one.sentence} | {one.remedy} |" for one in ReaperReason)
    return "\n".join(["| reason | verdict | what holds | what to do |", "|---|---|---|---|", *rows])


def with_reasons(page: str) -> str:
    """The page with its table as it should be."""
    return TABLE.sub(lambda _: reasons(), page)


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_reasons(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
