"""The service with an API server that is down, hangs or misbehaves: reviews are answered, and the log names the problem.

What a real API server does is shown in tests/e2e/api_server/test_watcher.py.
"""

from __future__ import annotations

import json
import signal
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.service.reviews import injected_review, is_answered
from tests.service.running_service import Certificates, RunningService, eventually, running_service, send
from tests.support.oracles.admission import verify
from tests.support.scripted_api_server import ScriptedApiServer, scripted_api_server
from webhook.kube.client import READ_SECONDS
from webhook.kube.credentials import NO_CREDENTIALS
from webhook.kube.view import ClusterResource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject


REVIEWS: Final = 200
WITHOUT_WAITING_SECONDS: Final = 0.8 * READ_SECONDS
"""For one review, and for the end: both would take longer if they waited for the API server, which is given up after `READ_SECONDS`."""

SECRET: Final = "a-token-that-nobody-shall-see"  # noqa: S105  no server knows it


def write_kubeconfig(directory: Path, server: str, text: str | None = None) -> Path:
    """A kubeconfig for a server without TLS, or with another text."""
    user = {"name": "user", "user": {"token": SECRET}}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {"server": server}}],
        "users": [user],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(content) if text is None else text)
    return path


@contextmanager
def watching(factory: pytest.TempPathFactory, server: str, text: str | None = None, **settings: Any) -> Iterator[RunningService]:
    """The service with that kubeconfig."""
    directory = factory.mktemp("watching")
    kubeconfig = write_kubeconfig(factory.mktemp("kubeconfig"), server, text)
    with running_service(directory, Certificates, kubeconfig, cluster_poll_seconds=1, **settings) as service:
        yield service


def answers_at_once(service: RunningService) -> bool:
    """Whether none of many reviews in a row waits."""
    client = service.connect()
    seconds = []
    for _ in range(REVIEWS):
        review = injected_review()
        began = time.monotonic()
        verify(review, send(client, review).body)
        seconds.append(time.monotonic() - began)
    client.close()
    return max(seconds) < WITHOUT_WAITING_SECONDS


def ends_soon(service: RunningService) -> bool:
    """Whether SIGTERM ends it in time, with code 0 and nothing on stderr."""
    service.process.send_signal(signal.SIGTERM)
    return service.process.wait(WITHOUT_WAITING_SECONDS) == 0 and not service.stderr


@contextmanager
def silence() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def refusal() -> Iterator[str]:
    """A port on which nobody listens, reserved meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_an_api_server_that_never_answers_delays_no_review_and_no_shutdown(tmp_path_factory: pytest.TempPathFactory) -> None:
    with silence() as server, watching(tmp_path_factory, server) as service:
        is_answered(service)
        reply = service.health("/readyz")
        assert (reply.status, reply.body) == (503, b"the cluster's state has not been read yet\n")
        assert answers_at_once(service)
        assert eventually(lambda: service.health("/readyz").status == 200)
        assert service.metric("native_support", support="unknown") == 1
        assert 0 < service.metric("cluster_last_read_timestamp_seconds", resource="nodes") < time.time() - 1
        assert ends_soon(service)


def test_an_api_server_that_is_down_delays_neither_readiness_nor_reviews(tmp_path_factory: pytest.TempPathFactory) -> None:
    with refusal() as server, watching(tmp_path_factory, server) as service:
        lines = {resource: service.log(event="cannot read the cluster's state", resource=resource) for resource in ClusterResource}
        assert service.health("/readyz").status == 200, "as soon as each was attempted"
        line = lines[ClusterResource.NODES]
        assert line["level"] == "warning"
        assert "Connection refused" in line["problem"]
        assert eventually(lambda: service.metric("cluster_errors_total", resource="nodes") > 2)
        assert answers_at_once(service)
        assert len([line for line in service.logs if line["event"] == "cannot read the cluster's state"]) == 3, (
            "one for each resource, not for each attempt"
        )
        assert ends_soon(service)


def test_a_self_managed_certificate_reports_an_api_server_that_is_down_and_no_bundle_in_sync(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    self_managed = {"certificates": "self-managed", "service_namespace": "airflow-webhook"}
    with refusal() as server, watching(tmp_path_factory, server, native_sidecars="off", **self_managed) as service:
        assert "Connection refused" in service.log(event="cannot reconcile certificates", level="warning")["problem"]
        assert eventually(lambda: service.metric("certificate_errors_total") > 1)
        assert 0 < service.metric("certificate_last_read_timestamp_seconds") < time.time()
        assert service.metrics()["ca_bundle_in_sync", frozenset()] == 0
        assert service.health("/readyz").body == b"not every API server trusts the certificate yet\n"
        assert ends_soon(service)


def test_a_kubeconfig_that_cannot_be_used_is_reported_without_its_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    """tests/unit/command/test_doctor.py has all that a kubeconfig can have wrong."""
    with watching(tmp_path_factory, "", f"users: [{SECRET}: [") as service:
        line = service.log(event="cannot read the cluster's state", resource="nodes")
        assert line["problem"].startswith("the kubeconfig cannot be used: ")
        assert eventually(lambda: service.health("/readyz").status == 200)
        is_answered(service)
        assert SECRET not in service.text + service.stderr


def test_without_credentials_it_logs_once_that_there_is_no_cluster(service: RunningService) -> None:
    assert [line["why"] for line in service.logs if line["event"] == "no cluster"] == [NO_CREDENTIALS]
    assert service.metric("native_support", support="unknown") == 1
    assert not [name for name, _labels in service.metrics() if name.startswith("cluster_")]


@pytest.fixture
def fake() -> Iterator[ScriptedApiServer]:
    with scripted_api_server() as server:
        yield server


def fake_node(name: str, kubelet: str) -> JSONObject:
    """A node as the fake gives it."""
    return {"metadata": {"name": name, "resourceVersion": "7"}, "status": {"nodeInfo": {"kubeletVersion": kubelet}}}


def test_an_old_server_has_no_native_sidecars(tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer) -> None:
    fake.version = {"gitVersion": "v1.28.15"}
    with watching(tmp_path_factory, fake.url) as service:
        line = service.log(event="native sidecars")
        assert (line["before"], line["support"], line["server"]) == ("unknown", "old-server", "1.28.15")
        fake.version = {"gitVersion": "v1.34.2"}
        service.log(event="native sidecars", before="old-server", support="ready")
        assert service.metric("native_support", support="ready") == 1
        assert service.metric("native_support", support="old-server") == 0


def test_a_line_of_a_watch_that_comes_in_pieces_is_one_event(tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer) -> None:
    line = json.dumps({"type": "ADDED", "object": fake_node("old", "v1.20.0")}).encode() + b"\n"
    fake.events = [line[:9], line[9:40], line[40:-1], line[-1:]]
    with watching(tmp_path_factory, fake.url) as service:
        change = service.log(event="native sidecars", support="old-kubelet")
        assert (change["oldest_kubelet"], change["node"]) == ("1.20.0", "old")


def test_a_watch_that_sends_no_json_is_reported_and_the_service_continues(
    tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer
) -> None:
    fake.nodes, fake.events = [fake_node("a", "v1.34.2")], [b"<html>\n"]
    with watching(tmp_path_factory, fake.url) as service:
        line = service.log(event="cannot read the cluster's state", resource="nodes")
        assert line["problem"].startswith("the response cannot be decoded: ")
        service.log(event="native sidecars", support="ready")
        fake.events = [json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}).encode() + b"\n"]
        service.log(event="reading the cluster's state again", resource="nodes")


def test_a_watch_that_hangs_does_not_delay_the_shutdown(tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer) -> None:
    with watching(tmp_path_factory, fake.url) as service:
        assert eventually(lambda: fake.watches == ["5"])
        assert ends_soon(service)


@pytest.mark.parametrize(("switch", "support"), [("on", "forced-on"), ("off", "forced-off")])
def test_a_switch_applies_from_the_start(
    tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer, switch: str, support: str
) -> None:
    fake.version = {"gitVersion": "v1.20.0"}
    with watching(tmp_path_factory, fake.url, native_sidecars=switch) as service:
        assert service.metric("native_support", support=support) == 1
        assert eventually(lambda: service.health("/readyz").status == 200)
        client = service.connect()
        review = injected_review()
        (first, *_) = verify(review, send(client, review).body)["spec"].get("initContainers") or [{}]
        client.close()
        assert (first.get("restartPolicy") == "Always") == (switch == "on")
        # It is ready as soon as the cluster was read, and watches it from then on.
        assert eventually(lambda: bool(fake.watches) == (switch == "on"))


def test_the_minimum_kubelet_is_a_setting(tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer) -> None:
    fake.nodes = [fake_node("a", "v1.33.1")]
    with watching(tmp_path_factory, fake.url, minimum_kubelet="1.33.2") as service:
        assert service.log(event="native sidecars")["support"] == "old-kubelet"


def test_no_log_level_shows_the_token(tmp_path_factory: pytest.TempPathFactory, fake: ScriptedApiServer) -> None:
    with watching(tmp_path_factory, fake.url, log_level="debug") as service:
        service.log(event="native sidecars")
        assert eventually(lambda: fake.watches == ["5"])
        assert SECRET not in service.text + service.stderr
