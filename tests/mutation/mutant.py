"""A mutant, and what became of it."""

from __future__ import annotations

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """One change of one function.

    Args:
        module: Dotted name of the module.
        function: Dotted name of the function.
        change: The lines of the difference, each with its sign and without its indentation.
        key: mutmut's name of the function.
        name: mutmut's name of the mutant, which switches it on.

    """

    module: str
    function: str
    change: tuple[str, ...]
    key: str
    name: str


class Result(msgspec.Struct, frozen=True):
    """What became of a mutant.

    Args:
        mutant: Which one.
        tests: How many tests call its function.
        killer: The test that failed, or what else shows the change; None: it has survived.

    """

    mutant: Mutant
    tests: int
    killer: str | None
