"""Resource quantities of containers, read as the API server reads them (apimachinery pkg/api/resource/quantity.go)."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

MAX_CHARACTERS: Final = 64
"""The API server writes quantities in their shortest form, which is far shorter."""

_QUANTITY: Final = re.compile(
    r"\+?(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?:(?P<binary>[KMGTPE])i|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
_DECIMAL_POWERS: Final = MappingProxyType({"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18})
_BINARY_POWERS: Final = MappingProxyType({"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60})
_NANO: Final = 9


def read_quantity(value: object) -> int:
    """A quantity in billionths of its base unit (cores, bytes), rounded up to a whole one as the API server does.

    Raises:
        ValueError: It is none, it is negative, or it is longer than any that is meant.

    """
    text = str(value) if type(value) in {str, int, float} else ""
    found = _QUANTITY.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    digits = (found["whole"] + (found["part"] or "")) if found else ""
    if found is None or not digits:
        message = "a resource quantity cannot be read"
        raise ValueError(message)
    number = int(digits) << _BINARY_POWERS.get(found["binary"], 0)
    power = _NANO + _DECIMAL_POWERS.get(found["decimal"], 0) + int(found["exponent"] or 0) - len(found["part"] or "")
    scale: int = 10 ** abs(power)
    return number * scale if power >= 0 else -(-number // scale)
