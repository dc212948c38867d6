"""What docs/gitops.md gives to copy, checked by the definitions of Argo CD and of Flux on a real API server, and rendered by Helm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from manifests.rendering import NAME
from testbed import binaries
from testbed.api import ApiError
from testbed.gitops_definitions import gitops_definitions
from testbed.namespace import make_namespace
from tests.e2e.api_server.chart import objects, only
from tests.e2e.api_server.stand_in_definitions import definitions
from tests.e2e.levels import require
from tests.support.gitops_page import objects_of_page, values_of_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level

STRICT = {"dryRun": "All", "fieldValidation": "Strict"}
NAMESPACES = ("argocd", "flux-system", NAME)


@pytest.fixture(scope="module")
def api(api_server: Level) -> Iterator[ApiClient]:
    """An admin's client of an API server that knows the kinds of both tools."""
    require(binaries.GITOPS)
    for namespace in NAMESPACES:
        make_namespace(api_server.api, namespace, {})
    with definitions(api_server.api, list(gitops_definitions())):
        yield api_server.api


def test_both_tools_take_every_object_strictly(api: ApiClient) -> None:
    taken = [api.create(one, **STRICT)["kind"] for one in objects_of_page() if one["kind"] != "Namespace"]

    assert set(taken) == {"Application", "GitRepository", "OCIRepository", "HelmRepository", "HelmRelease", "Kustomization"}


@pytest.mark.parametrize(("kind", "field"), [("Application", "destination"), ("HelmRelease", "interval"), ("Kustomization", "prune")])
def test_an_object_without_what_it_needs_would_be_refused(kind: str, field: str, api: ApiClient) -> None:
    one = next(one for one in objects_of_page() if one["kind"] == kind)
    del one["spec"][field]

    with pytest.raises(ApiError, match=rf"spec\.{field}: Required value"):
        api.create(one, **STRICT)


def test_a_misspelt_field_of_an_object_would_be_refused(api: ApiClient) -> None:
    one = next(one for one in objects_of_page() if one["kind"] == "HelmRelease")
    one["spec"]["driftdetection"] = one["spec"].pop("driftDetection")

    with pytest.raises(ApiError, match=r'unknown field "spec\.driftdetection"'):
        api.create(one, **STRICT)


@pytest.mark.parametrize("values", values_of_page(), ids=json.dumps)
def test_helm_takes_the_values(values: dict[str, Any]) -> None:
    assert only("MutatingWebhookConfiguration", objects(values))["metadata"]["name"].startswith(NAME)
