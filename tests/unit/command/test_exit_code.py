"""The exit codes are stated once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs.generate_findings import WITH_EXIT_CODES, exit_codes, with_exit_codes
from webhook.command.exit_code import ExitCode
from webhook.command.main import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import InProcessProgram


@pytest.mark.parametrize("command", ["", *(command.name for command in COMMANDS)])
def test_every_help_has_the_exit_codes(program: InProcessProgram, command: str) -> None:
    text = program(*filter(None, [command]), "--help")

    assert text.endswith("exit codes:\n" + "".join(f"  {code.value}  {code.sentence}\n" for code in ExitCode))


@pytest.mark.parametrize("page", WITH_EXIT_CODES, ids=lambda page: page.name)
def test_a_page_has_the_exit_codes(page: Path) -> None:
    text = page.read_text("utf-8")

    assert exit_codes() in text
    assert with_exit_codes(text) == text, "run: make docs"
