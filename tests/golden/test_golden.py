"""The golden pairs are what the rules make of the catalogue's examples. To write them anew: ``python -m tests.golden``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.golden.pair import AUDIT_FILE, FOLDER, PAIRED, audit_text, pair_file, pair_text

if TYPE_CHECKING:
    from tests.support.examples import Example
    from webhook.core.policy import Policy


@pytest.mark.parametrize("example", PAIRED, ids=str)
def test_a_pair_is_what_the_rules_make(example: Example, policy: Policy) -> None:
    found = pair_file(example).read_text("utf-8") if pair_file(example).is_file() else ""

    assert found == pair_text(example, policy), "run: python -m tests.golden, and read the difference"


def test_there_is_a_pair_for_each_example_with_an_about_and_no_other() -> None:
    assert sorted(FOLDER.glob("*.yaml")) == sorted(pair_file(example) for example in PAIRED), "run: python -m tests.golden"


def test_the_pair_of_an_audit_is_what_the_rules_make(policy: Policy) -> None:
    assert AUDIT_FILE.read_text("utf-8") == audit_text(policy), "run: python -m tests.golden, and read the difference"
