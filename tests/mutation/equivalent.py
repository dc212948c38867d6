"""The surviving mutants that change nothing a test could notice, from ``equivalent.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("equivalent.yaml")


class Equivalent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the file.

    Args:
        function: Dotted name of the changed function.
        change: The lines of the difference, as `tests.mutation.mutant.Mutant` has them.
        reason: Why no test can notice it.

    """

    function: str
    change: tuple[str, ...]
    reason: str


def equivalents() -> list[Equivalent]:
    """All rows."""
    return msgspec.yaml.decode(FILE.read_bytes(), type=list[Equivalent])
