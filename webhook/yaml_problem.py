"""What is wrong with a text that was to be YAML, in one line."""

from __future__ import annotations

import yaml


def yaml_problem(error: Exception) -> str:
    """The parser's own words and the place, or the error's text on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
