"""YAML documents, read as kubectl reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

MAX_VALUES: Final = 2_000_000
"""In one document, where each use of an alias counts as a copy; five thousand pods have fewer."""

MAX_NESTING: Final = 200
"""Levels of one document; a Pod has some 15."""

TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class KubernetesLoader(yaml.SafeLoader):
    """A time stays the text that it is, and each key becomes text: https://github.com/kubernetes-sigs/yaml, yaml.go.

    PyYAML in Python, because libyaml overflows the stack on deep nesting.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name of the parent
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
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
        ValueError: Aliases make a document larger than any list of pods, or endless.

    """
    documents = list(yaml.load_all(text, KubernetesLoader))
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
