"""What mutmut found, read from the files that it leaves in ``mutants/``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path("mutants")
DEAD: Final = frozenset({"killed", "timeout"})
"""A mutant that runs for ever would stop the tests, so they have noticed it."""

ALIVE: Final = frozenset({"survived", "no tests"})
CLASS_MARK: Final = "ǁ"
"""mutmut puts it before and after the name of a method's class."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function.

    Args:
        name: mutmut's name of it, for ``mutmut show``.
        module: Dotted name of the module.
        path: Path of the module.
        is_dead: Whether a test noticed it.

    """

    name: str
    module: str
    path: Path
    is_dead: bool

    @property
    def function(self) -> str:
        """Dotted name of the changed function."""
        mangled = self.name.removeprefix(f"{self.module}.").partition("__mutmut_")[0].removeprefix("x")
        return (
            f"{self.module}.{mangled.strip(CLASS_MARK).replace(CLASS_MARK, '.')}"
            if CLASS_MARK in mangled
            else f"{self.module}.{mangled[1:]}"
        )

    @property
    def change(self) -> tuple[str, ...]:
        """The lines of the difference, each with the sign before it and without its indentation."""
        lines = get_diff_for_mutant(self.name, path=self.path).splitlines()
        return tuple(f"{line[0]} {line[1:].strip()}" for line in lines if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"})


def mutants_of(modules: tuple[str, ...]) -> Iterator[Mutant]:
    """The tried mutants of these modules; RuntimeError where mutmut could not try one."""
    for module in modules:
        path = Path(*module.split(".")).with_suffix(".py")
        tried = json.loads((FOLDER / f"{path}.meta").read_text("utf-8"))["exit_code_by_key"]
        for name, code in tried.items():
            status = status_by_exit_code[code]
            if status not in DEAD | ALIVE:
                message = f"{name}: {status}; see `mutmut show {name}`"
                raise RuntimeError(message)
            yield Mutant(name, module, path, status in DEAD)
