"""Whether a tag fits the version, the changelog and the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release.notes import UNRELEASED, notes_of
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from release.checkout import Checkout


def unready(tag: str, commit: Checkout, changelog: str) -> Iterator[str]:
    """Why a commit cannot be released under a tag. ``changelog``: the text of CHANGELOG.md, ValueError without a section of the version."""
    if tag != f"v{__version__}":
        yield f"the tag is {tag}, but webhook/__init__.py has the version {__version__}: name the tag v{__version__}, or change the version"
    if commit.is_changed:
        yield "the checkout has changes that are not committed: commit them, or remove them"
    if notes_of(__version__, changelog).date == UNRELEASED:
        yield f"CHANGELOG.md says that {__version__} is {UNRELEASED}: write the date"
