"""The values of the chart, as ``values.schema.yaml`` has them: the one place for their types, defaults and descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.json_schema import JsonSchemaValue

BY_HAND: Final = Path(__file__).with_name("values.schema.yaml")
GROUPS: Final = "x-groups"
"""Headings, each with the top-level values below it."""


@dataclass(frozen=True, slots=True)
class ChartValue:
    """A value, or an object of values.

    Args:
        path: Its name, behind the names of the objects that it is in.
        schema: Its part of the schema, without references at its top.
        parts: The values of an object; empty for a value.

    """

    path: tuple[str, ...]
    schema: JsonSchemaValue
    parts: tuple[ChartValue, ...]

    @property
    def name(self) -> str:
        """As --set takes it."""
        return ".".join(self.path)

    @property
    def summary(self) -> str:
        """The first line of its description; empty where an object needs none."""
        return str(self.schema.get("description", "")).partition("\n")[0]

    @property
    def details(self) -> str:
        """The other lines, as one."""
        return " ".join(str(self.schema.get("description", "")).split("\n")[1:])

    def leaves(self) -> Iterator[ChartValue]:
        """Itself, or the values of the object and of those in it."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def by_hand() -> JsonSchemaValue:
    """The schema as it is written."""
    schema: JsonSchemaValue = yaml.safe_load(BY_HAND.read_text("utf-8"))
    return schema


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> JsonSchemaValue:
    """A part of a schema with what its ``$ref`` refers to: draft 7 ignores every keyword beside a reference."""
    if "$ref" not in schema:
        return dict(schema)
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**resolved(root["definitions"][schema["$ref"].rpartition("/")[2]], root), **beside}


def groups() -> dict[str, tuple[ChartValue, ...]]:
    """The top-level values by their headings."""
    root = by_hand()
    return {heading: tuple(_value((name,), root["properties"][name], root) for name in names) for heading, names in root[GROUPS].items()}


def _value(path: tuple[str, ...], schema: Mapping[str, Any], root: Mapping[str, Any]) -> ChartValue:
    own = resolved(schema, root)
    inner = {} if "default" in own else own.get("properties", {})
    return ChartValue(path, own, tuple(_value((*path, name), part, root) for name, part in inner.items()))
