"""Every pod of the fixtures through a real API server with the real webhook: accepted, patched as decided, valid."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.conftest import Level, new_namespace
from tests.pods import pods_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    JSONObject = dict[str, Any]

PODS = [pytest.param(pod, id=path) for path, pod in pods_in("")]


@pytest.fixture(scope="module")
def namespace(any_api_server: Level) -> Iterator[str]:
    with new_namespace(any_api_server.api, "pods") as name:
        yield name


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_of_airflows_is_accepted(any_api_server: Level, namespace: str, pod: JSONObject) -> None:
    sent = copy.deepcopy(pod)
    sent["metadata"]["namespace"] = namespace
    any_api_server.api.create(sent, dryRun="All")
