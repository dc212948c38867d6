"""Makes docs/findings.md from the table of findings, and the exit codes in docs/command_line.md and docs/doctor.md: see `docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from webhook.command.exit_code import ExitCode
from webhook.doctor.finding import FindingId

if TYPE_CHECKING:
    from collections.abc import Iterator

FINDINGS: Final = Path(__file__).parent / "findings.md"
WITH_EXIT_CODES: Final = (Path(__file__).parent / "doctor.md", Path(__file__).parent / "command_line.md")
EXIT_CODES: Final = re.compile(r"(?<=<!-- Exit codes, made by `make docs`. -->\n).*?(?=\n\n)", re.DOTALL)
"""The table of exit codes on a page."""

WIDTH: Final = 100


def findings() -> str:
    """The page of all findings."""
    return "\n".join(line for part in (_head(), *map(_finding, FindingId)) for line in part)


def exit_codes() -> str:
    """The table of exit codes."""
    rows = (f"| {code} | {code.sentence} |" for code in ExitCode)
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def with_exit_codes(page: str) -> str:
    """The page with the table of exit codes as it should be."""
    return EXIT_CODES.sub(exit_codes(), page)


def _head() -> Iterator[str]:
    yield "<!-- Made by `make docs` from webhook/doctor/finding.py; edit there. -->"
    yield "# Findings of the doctor\n"
    yield "For whoever has a report of [`airflow-sidecar-webhook doctor`](doctor.md):"
    yield "what each finding means, and what to do about it."
    yield "A word like `<namespace>` stands for a value of your cluster.\n"
    yield "| finding | severity |"
    yield "|---|---|"
    yield from (f"| [`{one}`](#{one}) | {one.row.severity} |" for one in FindingId)
    yield ""


def _finding(one: FindingId) -> Iterator[str]:
    row = one.row
    yield f"## {one}\n"
    yield from _wrapped(f"**{row.severity.capitalize()}:** {_with_places(row.sentence)}")
    if row.background:
        yield from _wrapped(row.background)
    if row.remedy:
        yield from _wrapped(f"**What to do:** {_with_places(row.remedy)}")


def _with_places(text: str) -> str:
    """The text with its places shown as words in angle brackets."""
    return re.sub(r"\{(\w+)\}", r"`<\1>`", text)


def _wrapped(text: str) -> Iterator[str]:
    yield "\n".join(wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)) + "\n"


def main() -> None:
    """Write all three pages."""
    FINDINGS.write_text(findings(), "utf-8")
    for path in WITH_EXIT_CODES:
        path.write_text(with_exit_codes(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
