"""YAML documents, read as kubectl reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator

MAX_VALUES: Final = 2_000_000
"""In one document, where each use of an alias counts as a copy; five thousand pods have fewer."""

MAX_NESTING: Final = 200
"""Levels of one document; a Pod has some 15."""

NESTED: Final = f"it is nested more than {MAX_NESTING} levels deep, as when an alias contains itself"

TOO_LARGE: Final = f"its aliases make more than {MAX_VALUES:,} values of it"

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


class KubernetesLoader(yaml.CSafeLoader):
    """Times, ``12:30`` and ``=`` stay texts, and each key becomes one: https://github.com/kubernetes-sigs/yaml, yaml.go.

    By libyaml, which takes a fourth of the time of the parser in Python. It overflows the stack on deep nesting, which is refused before.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name of the parent
        first: _resolvers(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    _merged = 0
    """Members that merge keys (``<<``) have copied into mappings so far."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Copy what the mapping merges; merged mappings may merge others, each level ten times as many members as the one before."""
        before = len(node.value)
        super().flatten_mapping(node)
        self._merged += max(len(node.value) - before, 0)
        if self._merged > MAX_VALUES:
            raise ValueError(TOO_LARGE)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """A mapping with keys of text."""
        return {_key(key): value for key, value in super().construct_mapping(node, deep).items()}


def _key(key: Hashable) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key)


def yaml_documents(text: str) -> Iterator[Any]:
    """The documents of a text one after the other, each as JSON values; the syntax of all of them is checked before the first.

    Raises:
        yaml.YAMLError: It is not YAML.
        ValueError: It is nested too deep; aliases make a document larger than any list of pods, or endless; or a value is none of those
            that its tag allows.

    """
    _require_shallow(text)
    for document in _loaded(text):
        _require_bounded(document)
        yield document


def _loaded(text: str) -> Iterator[Any]:
    try:
        yield from yaml.load_all(text, KubernetesLoader)
    except (LookupError, AttributeError, TypeError) as problem:
        # PyYAML checks no value that has an explicit tag, as in ``!!bool maybe``.
        message = "a value is none of those that its tag allows"
        raise ValueError(message) from problem


def _require_shallow(text: str) -> None:
    """Read the events alone, which needs no stack, up to the first that is nested too deep."""
    level = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > MAX_NESTING:
            raise ValueError(NESTED)


def _require_bounded(document: object) -> None:
    level, values = [_inner(document)], 0
    for _ in range(MAX_NESTING):
        values += sum(map(len, level))
        if values > MAX_VALUES:
            raise ValueError(TOO_LARGE)
        level = [_inner(value) for values_within in level for value in values_within]
        if not level:
            return
    raise ValueError(NESTED)


def _inner(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
