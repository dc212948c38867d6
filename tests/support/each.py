"""One test for thousands of cases that are quick to check: pytest takes longer for a test of its own than most of them do."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(argument: str, cases: Iterable[Any], *, name: Callable[[Any], str] = str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a test that is run for each case, in one test. Every case that fails is reported, with its name as a note.

    Where a case is worth a name on the command line, `pytest.mark.parametrize` gives it a test of its own.

    Args:
        argument: The argument of the test that is the case.
        cases: At least one.
        name: The name of a case.

    Raises:
        ValueError: There is no case: the test could not fail.

    """
    every = list(cases)
    if not every:
        message = f"a test of no {argument} cannot fail"
        raise ValueError(message)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        def test_each(**fixtures: Any) -> None:
            failures = [failure for case in every if (failure := _failure(test, name(case), {**fixtures, argument: case}))]
            if len(failures) == 1:
                raise failures[0]
            if failures:
                message = f"{len(failures)} of {len(every)} cases"
                raise ExceptionGroup(message, failures)

        functools.update_wrapper(test_each, test)
        parameters = inspect.signature(test).parameters.values()
        test_each.__signature__ = inspect.Signature([one for one in parameters if one.name != argument])  # type: ignore[attr-defined]
        return test_each

    return decorate


def _failure(test: Callable[..., None], name: str, arguments: dict[str, Any]) -> Exception | None:
    try:
        test(**arguments)
    except Exception as failure:  # noqa: BLE001  whatever it is, it is the test's failure
        failure.add_note(f"in the case {name}")
        return failure
    return None
