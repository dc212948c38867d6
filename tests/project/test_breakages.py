"""`python -m tests.breakages` can still break the product: each piece that it replaces is where it expects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breakages import BREAKAGES, Breakage
from tests.support.work_tree import ROOT


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_what_a_breakage_replaces_and_the_tests_that_must_notice_it_are_there(breakage: Breakage) -> None:
    for edit in breakage.edits:
        assert edit.whole in Path(ROOT / edit.file).read_text("utf-8"), edit
    assert [level for level in breakage.levels if not (ROOT / level).is_file()] == []
