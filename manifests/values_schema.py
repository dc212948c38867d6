"""The schema of the chart's values: ``values.schema.yaml``, with the settings, sidecars and image rules that the code declares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic.json_schema import GenerateJsonSchema

from manifests.chart_values import GROUPS, by_hand, resolved
from webhook.core import EntrypointTable, Sidecar
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

DECIDED_BY_CHART: Final = frozenset(
    {
        "ca_secret",
        "certificate_file",
        "certificates",
        "configuration",
        "drain_seconds",
        "entrypoints_file",
        "health_port",
        "on_fault",
        "port",
        "private_key_file",
        "service_name",
        "service_namespace",
        "sidecars_file",
    }
)
"""Settings that the chart sets from other values."""


SWITCHES: Final = {"on": True, "off": False}
"""Words that Helm's YAML 1.1 reads as booleans if they have no quotes. The chart converts them back."""


def values_schema() -> str:
    """The whole schema, as JSON text."""
    written = by_hand()
    schema: JsonSchemaValue = {key: _inlined(part, written) for key, part in written.items() if key not in {GROUPS, "definitions"}}
    rows, definitions = msgspec.json.schema_components([tuple[Sidecar, ...], EntrypointTable], ref_template="#/definitions/{name}")
    declared = dict(zip(("sidecars", "entrypoints"), rows, strict=True)) | {"settings": _settings()}
    for name, part in declared.items():
        schema["properties"][name] |= part
    # Docstrings are for readers of the code.
    schema["definitions"] = {name: _without(part, "description") for name, part in definitions.items()}
    return json.dumps(_for_helm(schema), indent=2, ensure_ascii=False) + "\n"


class _SettingsSchema(GenerateJsonSchema):
    """pydantic's schema; a type that is not pydantic's is a string."""

    ignored_warning_kinds = {"non-serializable-default"}  # noqa: RUF012  pydantic's own declaration

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> JsonSchemaValue:  # noqa: ARG002  pydantic's
        return {"type": "string"}


def _settings() -> JsonSchemaValue:
    schema = Settings.model_json_schema(schema_generator=_SettingsSchema)
    named: JsonSchemaValue = schema.get("$defs", {})
    properties = {name: _resolved(field, named) for name, field in schema["properties"].items() if name not in DECIDED_BY_CHART}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _resolved(field: JsonSchemaValue, named: Mapping[str, JsonSchemaValue]) -> JsonSchemaValue:
    """The schema of one setting, without references."""
    reference = field.pop("$ref", None)
    schema = named[reference.rpartition("/")[2]] | field if reference else field
    switches = [value for word, value in SWITCHES.items() if word in schema.get("enum", ())]
    if switches:
        del schema["type"]
        schema["enum"] = [*schema["enum"], *switches]
    return schema


def _without(schema: Any, keyword: str) -> Any:
    """A schema without the texts of a keyword. A property may have the same name."""
    if isinstance(schema, list):
        return [_without(one, keyword) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without(value, keyword) for key, value in schema.items() if key != keyword or not isinstance(value, str)}


def _inlined(schema: Any, root: JsonSchemaValue) -> Any:
    """What is written by hand, without references, beside which draft 7 allows no description."""
    if isinstance(schema, list):
        return [_inlined(one, root) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _inlined(value, root) for key, value in resolved(schema, root).items()}


def _for_helm(schema: Any) -> Any:
    """The same for Helm's validator: patterns of Go, which end in ``$``, and no titles."""
    if isinstance(schema, list):
        return [_for_helm(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    used = {key: _for_helm(value) for key, value in _without(schema, "title").items()}
    return used | {"pattern": used["pattern"].replace(r"\Z", "$")} if isinstance(used.get("pattern"), str) else used
