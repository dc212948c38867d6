"""This checkout as a release takes it: the files that git tracks, and the time of the commit."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Checkout:
    """The commit that is checked out.

    Args:
        commit: Its id, 40 hexadecimal digits.
        seconds: Its time, in seconds since 1970: SOURCE_DATE_EPOCH of whatever is built.
        is_changed: Whether tracked files differ from it, or files are not tracked.

    """

    commit: str
    seconds: int
    is_changed: bool

    @property
    def time(self) -> datetime:
        """Its time, in UTC."""
        return datetime.fromtimestamp(self.seconds, UTC)


def checkout() -> Checkout:
    """The commit of this checkout. CalledProcessError: this is no checkout."""
    commit, seconds = _git("show", "--no-patch", "--format=%H %ct", "HEAD").split()
    return Checkout(commit, int(seconds), bool(_git("status", "--porcelain")))


def copy_tracked_files(target: Path) -> None:
    """Copy each file that git tracks, as it is now: what else lies in the checkout cannot get into a release."""
    for name in _git("ls-files", "-z").split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
