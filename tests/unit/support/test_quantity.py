"""Resource quantities are read as the API server reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.oracles.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "base_units"),
    [
        ("100m", "0.1"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1E", "1e18"),
        ("1E3", "1000"),
        (2, "2"),
    ],
)
def test_a_quantity_is_read_with_its_suffix(text: str | int, base_units: str) -> None:
    assert parse_quantity(text) == Decimal(base_units)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1KiB", "1e", "0x10", "NaN", "\u0661"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        parse_quantity(text)
