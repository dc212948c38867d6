"""YAML in which no mapping may have a key twice: PyYAML itself takes the last one, and an API server's strict decoder refuses the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


class DuplicateKeyError(Exception):
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """PyYAML's own, which also compares the keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            message = f"twice in one mapping: {sorted({str(key) for key in keys if keys.count(key) > 1})}\n{node.start_mark}"
            raise DuplicateKeyError(message)
        return dict(super().construct_mapping(node, deep))


def documents(text: str) -> list[JSONObject]:
    """The documents of a YAML text that are not empty. DuplicateKeyError."""
    return [document for document in yaml.load_all(text, _Loader) if document]
