"""A YAML error as one line."""

from __future__ import annotations

import yaml


def yaml_problem(error: Exception) -> str:
    """The position and the parser's message; for any other error its text on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
