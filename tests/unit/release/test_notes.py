"""The notes of a release are the changelog's section of its version."""

from __future__ import annotations

import pytest

from release.notes import UNRELEASED, Notes, notes_of

CHANGELOG = """\
# Changelog

## 1.1.0 (unreleased)

### Added

- New.

## 1.0.0 (2026-12-01)

- Old.
"""


@pytest.mark.parametrize(
    ("version", "notes"),
    [("1.1.0", Notes("### Added\n\n- New.\n", UNRELEASED)), ("1.0.0", Notes("- Old.\n", "2026-12-01"))],
)
def test_a_section_ends_at_the_next_one(version: str, notes: Notes) -> None:
    assert notes_of(version, CHANGELOG) == notes


@pytest.mark.parametrize("version", ["2.0.0", "1.0", "1x0.0"])
def test_a_version_without_a_section_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="no section"):
        notes_of(version, CHANGELOG)
