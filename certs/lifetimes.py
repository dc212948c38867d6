"""The durations of a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from certs.authority import BACKDATED, CA_LIFE, LEAF_LIFE


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The durations of a rotation.

    Args:
        authority: The life of an authority.
        leaf: The life of a serving certificate.
        propagation: The time from when an authority is seen in the caBundle until every API server trusts it. An API server does not say
            when it has loaded a new configuration; it takes about a second in a healthy cluster, and waiting minutes costs nothing.
        grace: How long an authority stays in the caBundle after the last certificate that it signed has expired.

    """

    authority: timedelta = CA_LIFE
    leaf: timedelta = LEAF_LIFE
    propagation: timedelta = timedelta(minutes=5)
    grace: timedelta = BACKDATED


DEFAULT_LIFETIMES: Final = Lifetimes()
