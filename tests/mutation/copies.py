"""A copy of the project in which every function of some modules has its mutants beside it."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents
from mutmut.utils.format_utils import mangled_name_from_mutant_name, orig_function_and_class_names_from_key

from tests.mutation.mutant import Mutant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
COPY: Final = ROOT / "mutants"
LEFT_OUT: Final = shutil.ignore_patterns(".*", "__pycache__", "mutants", "build", "dist")


NO_RULES: Final = ("assert_never(", '"UTF-8"')
"""What is no rule: a branch that no value reaches, as mypy proves, and the other spelling of an encoding, which names the same one."""


def write_copy(modules: Iterable[str]) -> list[Mutant]:
    """Write the copy anew, with the mutants of these modules."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(ROOT, COPY, ignore=LEFT_OUT)
    return [mutant for module in modules for mutant in _mutate(module)]


def _mutate(module: str) -> Iterator[Mutant]:
    path = Path(*module.split(".")).with_suffix(".py")
    mutated = mutate_file_contents(str(path), (ROOT / path).read_text("utf-8"))
    (COPY / path).write_text(mutated.code, "utf-8")
    lines = mutated.code.splitlines()
    for name in mutated.mutant_names:
        function, owner = orig_function_and_class_names_from_key(name)
        mangled = mangled_name_from_mutant_name(name)
        dotted = f"{module}.{owner}.{function}" if owner else f"{module}.{function}"
        change = tuple(_change(_source(mutated, lines, f"{mangled}__mutmut_orig"), _source(mutated, lines, name)))
        if _changes_rule(change):
            yield Mutant(module, dotted, change, f"{module}.{mangled}", f"{module}.{name}")


def _source(mutated: MutatedFile, lines: list[str], name: str) -> list[str]:
    """The lines of one function, as if it had no name."""
    span = mutated.line_span_by_function_name[name]
    return [line.replace(name, "_").strip() for line in lines[span.start - 1 : span.end]]


def _changes_rule(change: Sequence[str]) -> bool:
    return not any(text in line for line in change for text in NO_RULES)


def _change(before: list[str], after: list[str]) -> Iterator[str]:
    return (line for line in difflib.ndiff(before, after) if line.startswith(("- ", "+ ")))
