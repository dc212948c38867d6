"""Which cluster a command talks to: that of a context, else that of the pod in which it runs, else that of the current context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubernetes.client import Configuration

from tests.support.kubeconfigs import kubeconfig_for
from webhook.command.cluster_client import connect
from webhook.command.errors import UnusableError
from webhook.kube.client import KubernetesClient
from webhook.kube.errors import UnreachableError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with two contexts; the package reads its place once, when it is imported."""
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig_for("https://api.invalid", "here", "there"), "utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container with a service account; the file of its namespace."""
    file = tmp_path / "namespace"
    file.write_text("infra\n", "utf-8")
    monkeypatch.setattr("webhook.command.cluster_client.is_in_pod", lambda _: True)
    monkeypatch.setattr("webhook.command.cluster_client.NAMESPACE_FILE", file)
    monkeypatch.setattr("webhook.command.cluster_client.connect_in_pod", lambda: KubernetesClient(Configuration(host="https://in.cluster")))
    return file


def test_outside_a_pod_it_is_the_current_context() -> None:
    connection = connect({}, None)
    assert (connection.server, connection.namespace) == ("https://api.invalid", "default")


@pytest.mark.usefixtures("pod")
def test_in_a_pod_it_is_the_pods_own_cluster_and_namespace() -> None:
    connection = connect({}, None)
    assert (connection.server, connection.namespace) == ("of this pod's cluster", "infra")


@pytest.mark.usefixtures("pod")
def test_a_context_that_is_named_counts_in_a_pod_too() -> None:
    assert connect({}, "there").server == "https://api.invalid"


def test_a_context_that_is_not_there_is_unusable() -> None:
    with pytest.raises(UnusableError, match="nowhere"):
        connect({}, "nowhere")


def test_a_service_account_that_cannot_be_used_is_unusable(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod.unlink()
    with pytest.raises(UnusableError, match="namespace"):
        connect({}, None)

    def unreachable() -> KubernetesClient:
        message = "there is no CA"
        raise UnreachableError(message)

    monkeypatch.setattr("webhook.command.cluster_client.connect_in_pod", unreachable)
    with pytest.raises(UnusableError, match="there is no CA"):
        connect({}, None)
