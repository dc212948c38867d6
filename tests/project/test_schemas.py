"""The documented form of the commands' JSON is current, and describes each member."""

from __future__ import annotations

import json

import pytest

from docs.generate_schemas import SCHEMAS, CommandSchema

OF_A_STANDARD = {"Operation"}
"""Definitions whose members are described elsewhere: RFC 6902."""


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.command)
def test_the_schema_of_a_command_is_current(schema: CommandSchema) -> None:
    assert schema.path.read_text("utf-8") == schema.as_text(), "run: make docs"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.command)
def test_the_schema_describes_every_member(schema: CommandSchema) -> None:
    definitions = json.loads(schema.as_text())["$defs"]
    members = {
        f"{name}.{member}": described
        for name, definition in definitions.items()
        if name not in OF_A_STANDARD
        for member, described in definition.get("properties", {}).items()
    }

    assert [name for name, described in members.items() if not described.get("description")] == []
    assert members
