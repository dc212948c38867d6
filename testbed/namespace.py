"""Creates namespaces, and waits until they are ready for pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.api import ApiClient

SERVICE_ACCOUNT: Final = "serviceaccounts/default"
"""A controller creates it soon after the namespace; before that, the API server refuses every pod."""

MESH_ROOT: Final = "configmaps/istio-ca-root-cert"
"""istiod creates it; without it, the proxy waits for its volume."""

READY_SECONDS: Final = 60


def make_namespace(api: ApiClient, name: str, labels: Mapping[str, str]) -> None:
    """Create a namespace. ApiError."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}})


def wait_until_ready(api: ApiClient, name: str, *needed: str) -> None:
    """Wait until the objects that pods of a namespace need exist. TimeoutError."""
    for one in needed:
        _wait_for(api, f"/api/v1/namespaces/{name}/{one}")


def _wait_for(api: ApiClient, path: str) -> None:
    until(lambda: api.request("GET", path).is_success, f"{path} is there", READY_SECONDS)
