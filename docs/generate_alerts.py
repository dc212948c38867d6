"""Makes the table of alerts in docs/alerts.md from the rows: see `docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from manifests.alerts import ALERTS

PAGE: Final = Path(__file__).parent / "alerts.md"
TABLE: Final = re.compile(r"(?<=<!-- Made by `make docs` from manifests/alerts.py. -->\n).*?(?=\n## )", re.DOTALL)


def alerts() -> str:
    """The table of all alerts."""
    rows = (f"| [{one.symptom}](#{one.place}) | `{one.name}` | {one.urgency} |" for one in ALERTS)
    return "\n".join(["| meaning | alert | severity |", "|---|---|---|", *rows, ""])


def with_table(page: str) -> str:
    """The page with its table as it should be."""
    return TABLE.sub(alerts(), page, count=1)


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
