"""Makes the schemas of the commands' JSON from its types: see `docs.generate`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from webhook.command.doctor_document import DoctorDocument, FleetDocument
from webhook.command.explain_document import ExplainDocument
from webhook.command.output import FailureDocument
from webhook.command.pod_summary import SummaryDocument
from webhook.report.document import ReportDocument

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ARGUMENT: Final = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)
"""A member in the part of a docstring that follows ``Args:``."""


@dataclass(frozen=True, slots=True)
class CommandSchema:
    """The form of what a command prints with ``-o json``.

    Args:
        command: Its name.
        documents: The types of what it prints, the result first, and in the end what stopped it.

    """

    command: str
    documents: tuple[type, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return Path(__file__).parent / f"{self.command}.schema.json"

    def as_text(self) -> str:
        """What the file holds."""
        documents, definitions = msgspec.json.schema_components(self.documents, ref_template="#/$defs/{name}")
        described = {name: _described(definition) for name, definition in definitions.items()}
        title = f"airflow-sidecar-webhook {self.command} -o json"
        schema = {"$schema": DIALECT, "title": title, "oneOf": list(documents), "$defs": described}
        return json.dumps(schema, indent=2) + "\n"


SCHEMAS: Final = (
    CommandSchema("explain", (ExplainDocument, SummaryDocument, FailureDocument)),
    CommandSchema("doctor", (DoctorDocument, FleetDocument, FailureDocument)),
    CommandSchema("report", (ReportDocument, FailureDocument)),
)
"""Of each command whose JSON has a version."""


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
    """Write the files."""
    for schema in SCHEMAS:
        schema.path.write_text(schema.as_text(), "utf-8")
