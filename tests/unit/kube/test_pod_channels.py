"""The channels of a pod go to the API server that the client trusts, and to no other; what answers there is not waited for without end."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, cast

import pytest
from kubernetes.client import Configuration

from tests.service.running_service import Certificates
from tests.support.fake_task_cluster import FakeTaskCluster, PortListener, fake_task_cluster
from tests.support.live_pods import ISTIO, RUNNING, live_pod
from webhook.kube.client import KubernetesClient
from webhook.kube.errors import UnreachableError
from webhook.kube.pod_channels import PodChannels
from webhook.kube.port_forward import port_forward

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websocket import WebSocket


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    certificates = Certificates(tmp_path)
    (tmp_path / "ca.crt").write_bytes(certificates.authority.certificate_pem)
    return certificates


@pytest.fixture
def cluster(certificates: Certificates) -> Iterator[FakeTaskCluster]:
    """An API server with a certificate of that authority, for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate_file, certificates.private_key_file)
    with fake_task_cluster(context) as cluster:
        cluster.add(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
        cluster.listeners["sales", 15020] = PortListener(200)
        yield cluster


def status_with(configuration: Configuration) -> int:
    client = KubernetesClient(configuration)
    with port_forward(client, "/api/v1/namespaces/airflow/pods/sales", 15020) as forward:
        return forward.status_of("POST", "/quitquitquit")


def test_the_authority_of_the_client_is_trusted(cluster: FakeTaskCluster, tmp_path: Path) -> None:
    assert status_with(Configuration(host=cluster.url, ssl_ca_cert=str(tmp_path / "ca.crt"))) == 200


def test_a_certificate_of_another_authority_is_refused(cluster: FakeTaskCluster) -> None:
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        status_with(Configuration(host=cluster.url))
    assert cluster.requests == []


def test_a_certificate_for_another_name_is_refused(cluster: FakeTaskCluster, tmp_path: Path) -> None:
    configuration = Configuration(host=cluster.url, ssl_ca_cert=str(tmp_path / "ca.crt"))
    configuration.tls_server_name = "elsewhere.example"
    with pytest.raises(UnreachableError, match=r"Hostname mismatch|not valid for"):
        status_with(configuration)


def test_nothing_is_verified_only_where_the_kubeconfig_says_so(cluster: FakeTaskCluster) -> None:
    assert status_with(Configuration(host=cluster.url, verify_ssl=False)) == 200


def test_the_credentials_of_the_client_are_sent(cluster: FakeTaskCluster, tmp_path: Path) -> None:
    configuration = Configuration(host=cluster.url, ssl_ca_cert=str(tmp_path / "ca.crt"), api_key={"authorization": "Bearer abc"})
    status_with(configuration)
    assert cluster.tokens == ["Bearer abc"]


def test_a_proxy_of_the_client_is_used_and_one_of_the_environment_is_not_where_the_client_has_none(
    cluster: FakeTaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = Configuration(host=cluster.url, ssl_ca_cert=str(tmp_path / "ca.crt"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert status_with(configuration) == 200
    configuration.proxy = "http://127.0.0.1:1"
    with pytest.raises(UnreachableError):
        status_with(configuration)


class EndlessMessages:
    """A WebSocket on which a container writes for ever, a byte now and then."""

    def recv(self) -> bytes:
        time.sleep(0.001)
        return b"\1x"


def test_messages_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.kube.pod_channels.ANSWER_SECONDS", 0.05)
    with pytest.raises(UnreachableError, match=r"the answer did not end within 0\.05 s"):
        list(PodChannels(cast("WebSocket", EndlessMessages())).messages())
