"""Every e2e test belongs to a group of tests that share a cluster, and every group to the order in which processes take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.scheduling import GROUPS, LONGEST_FIRST, position_of
from tests.support.each import each

ROOT = Path(__file__).parents[2]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "e2e").rglob("test_*.py"))


@each("path", FILES)
def test_a_file_of_tests_has_a_group(path: str) -> None:
    assert position_of(path) < len(LONGEST_FIRST)


@pytest.mark.parametrize("beginning", GROUPS)
def test_a_group_has_tests(beginning: str) -> None:
    assert any(path.startswith(beginning) for path in FILES)


def test_the_order_has_each_group_once() -> None:
    assert sorted(LONGEST_FIRST) == sorted(set(GROUPS.values()))
