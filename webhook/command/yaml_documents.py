"""YAML documents, read as kubectl reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

MAX_VALUES: Final = 2_000_000
"""In one document, where each use of an alias counts as a copy; five thousand pods have fewer."""

MAX_NESTING: Final = 200
"""Levels of one document; a Pod has some 15."""

NOT_RESOLVED: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""Tags that a plain word does not get: a time, and ``=``."""

NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


def _resolvers(resolvers: list[tuple[str, re.Pattern[str]]]) -> list[tuple[str, re.Pattern[str]]]:
    """Without `NOT_RESOLVED`, and without numbers to the base of 60: ``12:30`` is a text."""
    return [
        (tag, re.compile(f"(?![^:]*:){pattern.pattern}", pattern.flags) if tag in NUMBERS else pattern)
        for tag, pattern in resolvers
        if tag not in NOT_RESOLVED
    ]


class KubernetesLoader(yaml.SafeLoader):
    """Times, ``12:30`` and ``=`` stay texts, and each key becomes one: https://github.com/kubernetes-sigs/yaml, yaml.go.

    PyYAML in Python, because libyaml overflows the stack on deep nesting.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name of the parent
        first: _resolvers(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """A mapping with keys of text."""
        return {_key(key): value for key, value in super().construct_mapping(node, deep).items()}


def _key(key: Hashable) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key)


def yaml_documents(text: str) -> list[Any]:
    """All documents of a text, each as JSON values.

    Raises:
        yaml.YAMLError: It is not YAML.
        RecursionError: It is nested too deep for the parser.
        ValueError: Aliases make a document larger than any list of pods, or endless; or a value is none of those that its tag allows.

    """
    try:
        documents = list(yaml.load_all(text, KubernetesLoader))
    except (LookupError, AttributeError, TypeError) as problem:
        # PyYAML checks no value that has an explicit tag, as in ``!!bool maybe``.
        message = "a value is none of those that its tag allows"
        raise ValueError(message) from problem
    for document in documents:
        _require_bounded(document)
    return documents


def _require_bounded(document: object) -> None:
    level, values = [_inner(document)], 0
    for _ in range(MAX_NESTING):
        values += sum(map(len, level))
        if values > MAX_VALUES:
            message = f"its aliases make more than {MAX_VALUES:,} values of it"
            raise ValueError(message)
        level = [_inner(value) for values_within in level for value in values_within]
        if not level:
            return
    message = f"it is nested more than {MAX_NESTING} levels deep, as when an alias contains itself"
    raise ValueError(message)


def _inner(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
