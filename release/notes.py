"""The notes of a release: the section of its version in CHANGELOG.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNRELEASED: Final = "unreleased"


@dataclass(frozen=True, slots=True)
class Notes:
    """What CHANGELOG.md says of a version.

    Args:
        text: In Markdown, without the heading.
        date: As the heading has it, or `UNRELEASED`.

    """

    text: str
    date: str


def notes_of(version: str, changelog: str) -> Notes:
    """The section of a version. ``changelog``: the text of CHANGELOG.md. ValueError: it has none."""
    found = re.search(rf"^## {re.escape(version)} \(([^)]+)\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found:
        message = f"CHANGELOG.md has no section `## {version} (DATE)`"
        raise ValueError(message)
    return Notes(text=found[2].strip() + "\n", date=found[1])
