"""Resource quantities of a pod are read as the API server reads them, and nothing else is."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from itertools import product

import pytest

from tests.support.oracles.quantity import parse_quantity
from webhook.core.quantity import MAX_CHARACTERS, read_quantity

NUMBERS = ("0", "1", "007", "1.5", ".5", "5.", "+2", "0.0000000001", "1.0000000011", "123456789")
SUFFIXES = ("", *"numkMGTPE", *(f"{letter}i" for letter in "KMGTPE"), "e3", "E3", "e-3", "E+2", "e0")


@pytest.mark.parametrize(("number", "suffix"), list(product(NUMBERS, SUFFIXES)))
def test_a_quantity_is_a_number_of_billionths_rounded_up(number: str, suffix: str) -> None:
    exact = parse_quantity(number + suffix) * Decimal(10) ** 9

    assert read_quantity(number + suffix) == int(exact.to_integral_value(ROUND_CEILING))


@pytest.mark.parametrize(("value", "billionths"), [(2, 2 * 10**9), (0.5, 5 * 10**8), (1e20, 10**29)])
def test_a_number_of_a_manifest_is_a_quantity(value: float, billionths: int) -> None:
    assert read_quantity(value) == billionths


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "+",
        "-1",
        "m",
        "1 Gi",
        " 1",
        "1\n",
        "1KiB",
        "1ki",
        "1e",
        "1e100",
        "0x10",
        "NaN",
        "\u0661",
        "1" * (MAX_CHARACTERS + 1),
        True,
        None,
        {},
        [],
        Decimal(1),
    ],
    ids=repr,
)
def test_anything_else_is_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"^a resource quantity cannot be read$"):
        read_quantity(value)


def test_the_longest_quantity_is_read() -> None:
    assert read_quantity("1" * MAX_CHARACTERS) == int("1" * MAX_CHARACTERS) * 10**9
