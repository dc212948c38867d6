"""What is demanded of each module, from ``floors.yaml``. A module without a row is tried and reported, and fails nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

FLOORS: Final = Path(__file__).with_name("floors.yaml")


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the file.

    Args:
        module: Dotted name of the module.
        killed: The share of its mutants that must be killed.
        unexplained: The number of survivors that may be without an explanation in ``equivalent.yaml``; None: any, they are reported.

    """

    module: str
    killed: float
    unexplained: int | None = None


def floors() -> dict[str, Floor]:
    """All rows, by module."""
    return {row.module: row for row in msgspec.yaml.decode(FLOORS.read_bytes(), type=list[Floor])}
