"""A test of many cases fails for each case that fails, and names it."""

from __future__ import annotations

import inspect

import pytest

from tests.support.each import each


def half(number: int, limit: int) -> None:
    assert number < limit


def test_where_every_case_holds_it_passes_with_the_fixtures_that_are_left() -> None:
    checked = each("number", range(5))(half)

    assert list(inspect.signature(checked).parameters) == ["limit"]
    checked(limit=5)


def test_the_one_case_that_fails_is_named() -> None:
    with pytest.raises(AssertionError) as failure:
        each("number", range(5), name=lambda number: f"no. {number}")(half)(limit=4)

    assert failure.value.__notes__ == ["in the case no. 4"]


def test_all_cases_that_fail_are_named() -> None:
    with pytest.raises(ExceptionGroup, match="2 of 5 cases") as failure:
        each("number", range(5))(half)(limit=3)

    assert [one.__notes__ for one in failure.value.exceptions] == [["in the case 3"], ["in the case 4"]]


def test_of_two_arguments_both_are_named() -> None:
    with pytest.raises(AssertionError) as failure:
        each("number", (1, 2))(each("limit", (2, 3))(half))()

    assert failure.value.__notes__ == ["in the case 2", "in the case 2"]


def test_a_test_of_no_case_is_an_error() -> None:
    with pytest.raises(ValueError, match="a test of no number cannot fail"):
        each("number", ())
