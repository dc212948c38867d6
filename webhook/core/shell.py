"""The shells by which a command may start its own script: the wrapper can be started by each of them, too."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

SHELLS: Final = MappingProxyType({"sh": (), "bash": ("--posix",), "ash": (), "dash": (), "busybox": ("sh",)})
"""The names of these programs, and the word after each that makes it the wrapper's shell. In POSIX mode bash does not run the file of
``BASH_ENV``, which it would run once more for the task (bash(1), INVOCATION)."""

_LONGEST: Final = max(map(len, SHELLS))


def word_after(program: str) -> tuple[str, ...] | None:
    """The word after this program that makes it the wrapper's shell, empty if it needs none; None: it is not one of `SHELLS`."""
    # The end of the path is enough: a program's name is the pod's, and may have any length.
    return SHELLS.get(program[-_LONGEST - 1 :].rpartition("/")[2])
