"""A fake API server, for the tests of the commands that read a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.kubeconfigs import kubeconfig_for
from tests.support.scripted_api_server import scripted_api_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.scripted_api_server import ScriptedApiServer


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApiServer]:
    """One of a cluster without the webhook, with an empty namespace `airflow`, and a kubeconfig that names it."""
    with scripted_api_server() as server:
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": {"name": "airflow"}}
        server.objects["/api/v1/namespaces/airflow/pods"] = {"metadata": {}, "items": []}
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig_for(server.url, "here"), "utf-8")
        # The package reads the place of the file once, when it is imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield server
