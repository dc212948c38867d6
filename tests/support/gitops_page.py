"""The YAML of docs/gitops.md: objects to copy, and values of the chart."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from manifests.rendering import NAME

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

PAGE: Final = Path(__file__).parents[2] / "docs" / "gitops.md"
BLOCK: Final = re.compile(r"^( *)```yaml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def documents_of_page() -> list[JSONObject]:
    """All YAML documents, in their order."""
    blocks = (textwrap.dedent(text) for _, text in BLOCK.findall(PAGE.read_text("utf-8")))
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def objects_of_page() -> list[JSONObject]:
    """What is sent to an API server."""
    return [document for document in documents_of_page() if "kind" in document]


def values_of_page() -> list[dict[str, Any]]:
    """The values that the page gives the chart, on their own or in an Application or a HelmRelease."""
    alone = [document.get(NAME, document) for document in documents_of_page() if not {"kind", "dependencies"} & document.keys()]
    in_applications = [one["spec"]["source"].get("helm", {}).get("valuesObject", {}) for one in _of_kind("Application")]
    in_releases = [one["spec"].get("values", {}) for one in _of_kind("HelmRelease")]
    return [*alone, *in_applications, *in_releases]


def _of_kind(kind: str) -> list[JSONObject]:
    return [one for one in objects_of_page() if one["kind"] == kind]
