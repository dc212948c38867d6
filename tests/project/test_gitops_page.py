"""What docs/gitops.md gives to copy fits the chart. That the tools and Helm take it: tests/e2e/api_server/test_gitops_page.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from manifests.generate import INSTALL, NAMESPACE
from manifests.rendering import NAME
from tests.support.gitops_page import documents_of_page, objects_of_page, values_of_page
from webhook import __version__

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

ROOT: Final = Path(__file__).parents[2]
LABELS: Final = yaml.safe_load(NAMESPACE.read_text("utf-8"))["metadata"]["labels"]


def specs(kind: str) -> list[JSONObject]:
    """The spec of each object of a kind."""
    return [one["spec"] for one in objects_of_page() if one["kind"] == kind]


def test_values_are_found_on_their_own_and_in_objects_of_both_tools() -> None:
    assert {key for values in values_of_page() for key in values} == {"image", "webhook", "enabled", "fullnameOverride"}


def test_paths_are_those_of_this_repository() -> None:
    paths = [spec["source"]["path"] for spec in specs("Application") if "path" in spec["source"]]
    paths += [
        spec["chart"]["spec"]["chart"] for spec in specs("HelmRelease") if "/" in spec.get("chart", {}).get("spec", {}).get("chart", "")
    ]

    assert paths == ["manifests/chart/airflow-sidecar-webhook"] * 2
    assert (ROOT / paths[0] / "Chart.yaml").is_file()
    assert [spec["path"] for spec in specs("Kustomization")] == ["./manifests"]


def test_the_image_that_the_kustomization_replaces_is_that_of_the_manifest() -> None:
    (kustomization,) = specs("Kustomization")
    (image,) = kustomization["images"]

    assert f"image: {image['name']}:{__version__}" in INSTALL.read_text("utf-8")


def test_namespaces_of_the_webhook_have_the_labels_of_its_manifest() -> None:
    managed = [spec["syncPolicy"]["managedNamespaceMetadata"]["labels"] for spec in specs("Application") if "syncPolicy" in spec]
    written = [one["metadata"]["labels"] for one in objects_of_page() if one["kind"] == "Namespace" and one["metadata"]["name"] == NAME]

    assert [*managed, *written] == [LABELS, LABELS]


def test_every_version_is_that_of_the_project() -> None:
    found = {spec["source"]["targetRevision"] for spec in specs("Application")}
    found |= {spec["ref"]["tag"] for kind in ("GitRepository", "OCIRepository") for spec in specs(kind)}
    found |= {spec["chart"]["spec"]["version"] for spec in specs("HelmRelease") if "version" in spec.get("chart", {}).get("spec", {})}
    found |= {one["version"] for document in documents_of_page() for one in document.get("dependencies", [])}

    assert found == {__version__, f"v{__version__}"}


def test_no_exception_is_needed() -> None:
    text = json.dumps(documents_of_page())

    assert "ignoreDifferences" not in text
    assert '"ignore"' not in text
    assert "Replace=true" not in text
