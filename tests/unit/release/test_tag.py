"""A tag fits the version, the changelog and the checkout, or nothing is built."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from release.checkout import Checkout
from release.tag import unready
from webhook import __version__

CLEAN: Final = Checkout("0" * 40, 1_800_000_000, is_changed=False)
DATED: Final = f"## {__version__} (2026-12-01)\n\n- Something.\n"


def test_the_version_of_a_dated_section_in_a_clean_checkout_is_ready() -> None:
    assert list(unready(f"v{__version__}", CLEAN, DATED)) == []


def test_another_tag_is_refused() -> None:
    (reason,) = unready("v9.9.9", CLEAN, DATED)

    assert reason.startswith("the tag is v9.9.9, but ")


def test_a_changed_checkout_is_refused() -> None:
    (reason,) = unready(f"v{__version__}", replace(CLEAN, is_changed=True), DATED)

    assert "not committed" in reason


def test_a_version_that_the_changelog_calls_unreleased_is_refused() -> None:
    (reason,) = unready(f"v{__version__}", CLEAN, DATED.replace("2026-12-01", "unreleased"))

    assert "write the date" in reason
