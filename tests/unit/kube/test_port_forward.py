"""An HTTP request to a pod's loopback, over the channels of a fake API server. Real ones: tests/e2e/node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from kubernetes.client import Configuration

from tests.support.answering_socket import answering, client_of, closed_port
from tests.support.fake_task_cluster import FakeTaskCluster, PortListener, fake_task_cluster
from tests.support.live_pods import ISTIO, RUNNING, live_pod
from webhook.kube.client import KubernetesClient
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.port_forward import port_forward

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH: Final = "/api/v1/namespaces/airflow/pods/sales"


@pytest.fixture
def cluster() -> Iterator[FakeTaskCluster]:
    with fake_task_cluster() as cluster:
        cluster.add(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
        yield cluster


def client_to(cluster: FakeTaskCluster) -> KubernetesClient:
    return KubernetesClient(Configuration(host=cluster.url))


def status_of(cluster: FakeTaskCluster, port: int = 15020) -> int:
    with port_forward(client_to(cluster), PATH, port) as forward:
        return forward.status_of("POST", "/quitquitquit")


@pytest.mark.parametrize("status", [200, 204, 403, 500])
def test_the_status_of_the_response_is_returned(cluster: FakeTaskCluster, status: int) -> None:
    cluster.listeners["sales", 15020] = PortListener(status)

    assert status_of(cluster) == status
    assert cluster.quits == [("uid-of-sales", "POST /quitquitquit HTTP/1.1")]
    assert cluster.requests == [f"GET {PATH}/portforward?ports=15020"]


def test_nothing_is_sent_before_it_is_asked_for(cluster: FakeTaskCluster) -> None:
    cluster.listeners["sales", 15020] = PortListener()
    with port_forward(client_to(cluster), PATH, 15020):
        pass
    assert cluster.quits == []


def test_a_port_on_which_nothing_listens_is_unreachable_in_the_kubelets_words(cluster: FakeTaskCluster) -> None:
    with pytest.raises(UnreachableError, match="an error occurred forwarding 15020: connection refused"):
        status_of(cluster)


def test_a_connection_that_closes_without_a_response_is_unreachable(cluster: FakeTaskCluster) -> None:
    cluster.listeners["sales", 15020] = PortListener(None)
    with pytest.raises(UnreachableError, match="the connection was closed without a response"):
        status_of(cluster)


def test_a_refusal_of_the_api_server_has_its_status_and_message(cluster: FakeTaskCluster) -> None:
    cluster.refusals["GET", "portforward"] = (403, "pods sales is forbidden")
    with pytest.raises(RefusedError, match="403 pods sales is forbidden") as refusal:
        status_of(cluster)
    assert refusal.value.status == 403


def test_a_redirect_is_not_followed_with_the_credentials() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering(elsewhere) as (client, requests):
        with pytest.raises(UnreachableError, match="Redirect"), port_forward(client, PATH, 15020):
            pass
        assert len(requests) == 1


def test_an_api_server_that_closes_the_connection_is_unreachable() -> None:
    with answering(b"") as (client, _), pytest.raises(UnreachableError), port_forward(client, PATH, 15020):
        pass


def test_an_api_server_that_is_not_there_is_unreachable() -> None:
    with closed_port() as port, pytest.raises(UnreachableError, match="refused"), port_forward(client_of(port), PATH, 15020):
        pass


def test_a_response_that_is_no_upgrade_is_an_error() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (client, _):  # noqa: SIM117  the server ends last
        with pytest.raises(RefusedError, match="200"), port_forward(client, PATH, 15020):
            pass


def test_an_api_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.kube.pod_channels.OPEN_SECONDS", 0.2)
    with answering(None) as (client, _), pytest.raises(UnreachableError, match="timed out"), port_forward(client, PATH, 15020):
        pass
