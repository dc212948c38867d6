"""Makes docs/explain.schema.json from the types of the command's JSON: see `docs.generate`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from webhook.command.explain_document import ExplainDocument
from webhook.command.output import FailureDocument
from webhook.command.pod_summary import SummaryDocument

EXPLAIN_SCHEMA: Final = Path(__file__).parent / "explain.schema.json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ARGUMENT: Final = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)
"""A member in the part of a docstring that follows ``Args:``."""


def explain_schema() -> str:
    """The schema of what ``explain -o json`` prints: the pods, with --summary their sum, or what stopped the command."""
    documents, definitions = msgspec.json.schema_components(
        (ExplainDocument, SummaryDocument, FailureDocument), ref_template="#/$defs/{name}"
    )
    described = {name: _described(definition) for name, definition in definitions.items()}
    schema = {"$schema": DIALECT, "title": "airflow-sidecar-webhook explain -o json", "oneOf": list(documents), "$defs": described}
    return json.dumps(schema, indent=2) + "\n"


def _described(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition whose members have what the docstring says of each. Members may be added later without a new version."""
    whole, _, arguments = definition.get("description", "").partition("\n\n    Args:\n")
    said = {name: " ".join(text.split()) for name, text in ARGUMENT.findall(arguments)}
    shown = {key: value for key, value in definition.items() if key != "additionalProperties"}
    if whole:
        shown["description"] = " ".join(whole.split())
    for name, member in shown.get("properties", {}).items():
        if name in said:
            member["description"] = said[name]
    return shown


def main() -> None:
    """Write the file."""
    EXPLAIN_SCHEMA.write_text(explain_schema(), "utf-8")
