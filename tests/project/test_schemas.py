"""The documented form of the commands' JSON is current, and describes each member."""

from __future__ import annotations

import json

from docs.generate_schemas import EXPLAIN_SCHEMA, explain_schema

OF_A_STANDARD = {"Operation"}
"""Definitions whose members are described elsewhere: RFC 6902."""


def test_the_schema_of_explain_is_current() -> None:
    assert EXPLAIN_SCHEMA.read_text("utf-8") == explain_schema(), "run: make docs"


def test_the_schema_describes_every_member() -> None:
    definitions = json.loads(explain_schema())["$defs"]
    members = {
        f"{name}.{member}": described
        for name, definition in definitions.items()
        if name not in OF_A_STANDARD
        for member, described in definition.get("properties", {}).items()
    }

    assert [name for name, described in members.items() if not described.get("description")] == []
    assert members
