"""How long things hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from certs.authority import BACKDATED, CA_LIFE, LEAF_LIFE


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The times that a rotation keeps to.

    Args:
        authority: Of an authority.
        leaf: Of a serving certificate.
        settle: From when an authority is seen in the caBundle until all API servers trust it. Nothing tells when one does: each takes
            a configuration up within a second or so of a healthy cluster, and minutes cost nothing.
        spare: How long an authority is trusted after the last certificate that it signed has expired.

    """

    authority: timedelta = CA_LIFE
    leaf: timedelta = LEAF_LIFE
    settle: timedelta = timedelta(minutes=5)
    spare: timedelta = BACKDATED


USUAL: Final = Lifetimes()
