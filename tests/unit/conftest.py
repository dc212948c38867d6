"""The program, for the tests of its commands."""

from __future__ import annotations

import pytest

from tests.support.program import InProcessProgram


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcessProgram:
    return InProcessProgram(monkeypatch, capsys)
