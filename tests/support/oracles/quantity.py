"""Resource quantities, as apimachinery pkg/api/resource reads them."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?",
)
_DECIMAL_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_POWERS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: str | float) -> Decimal:
    """Read a resource quantity (apimachinery pkg/api/resource) in its base unit: cores, bytes.

    Raises ValueError where it is not one.
    """
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        message = f"quantities must match the regular expression {_QUANTITY.pattern}: {text!r}"
        raise ValueError(message)
    number, suffix = Decimal(found["number"]), found["suffix"] or ""
    if suffix in _BINARY_POWERS:
        return number * Decimal(2) ** _BINARY_POWERS[suffix]
    power = _DECIMAL_POWERS[suffix] if suffix in _DECIMAL_POWERS else int(suffix[1:] or 0)
    return number.scaleb(power)
