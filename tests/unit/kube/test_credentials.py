"""Which credentials for an API server are found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from webhook.kube import credentials
from webhook.kube.credentials import find_client

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_without_credentials_there_is_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for environ in (
        {},
        {"KUBECONFIG": os.devnull},
        {"KUBECONFIG": f"{tmp_path}/none{os.pathsep}"},
        {"KUBERNETES_SERVICE_HOST": "10.96.0.1"},
    ):
        assert find_client(environ) is None


def test_the_pods_own_identity_goes_before_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".kube" / "config"
    default.parent.mkdir()
    default.write_text("{}")
    names = [find_client({}), find_client({"KUBECONFIG": f"{tmp_path}/none{os.pathsep}{default}"})]
    monkeypatch.setattr(credentials, "TOKEN_FILE", default)
    names.append(find_client({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBECONFIG": str(default)}))

    assert [connect and connect.__name__ for connect in names] == ["connect_by_kubeconfig", "connect_by_kubeconfig", "connect_in_pod"]
