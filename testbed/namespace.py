"""Namespaces, and when they are ready for pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.api import Api

SERVICE_ACCOUNT: Final = "serviceaccounts/default"
"""Made by a controller a moment after the namespace; no pod is taken before."""

MESH_ROOT: Final = "configmaps/istio-ca-root-cert"
"""Made by istiod; without it the proxy waits for its volume."""

READY_SECONDS: Final = 60


def make_namespace(api: Api, name: str, labels: Mapping[str, str]) -> None:
    """Create a namespace. ApiError."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}})


def wait_until_ready(api: Api, name: str, *needed: str) -> None:
    """Until everything that pods of a namespace need is there. TimeoutError."""
    for one in needed:
        _wait_for(api, f"/api/v1/namespaces/{name}/{one}")


def _wait_for(api: Api, path: str) -> None:
    until(lambda: api.request("GET", path).is_success, f"{path} is there", READY_SECONDS)
