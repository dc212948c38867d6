"""The Kubernetes client's requests and responses, and an API server that hangs, breaks off or is not there (tests/support/answering_socket.py).

Real API servers: tests/e2e/api_server.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from kubernetes.client import Configuration

from tests.support.answering_socket import answering, client_of, closed_port, reply
from tests.support.scripted_api_server import scripted_api_server
from webhook.kube import client as client_module
from webhook.kube.client import KubernetesClient, Response
from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, RefusedError, UnreachableError
from webhook.kube.reading import NODES_PATH

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def test_a_response_has_its_status_its_body_and_its_date() -> None:
    with answering(reply(b'{"a": 1}', status=b"404 Not Found")) as (client, _):
        assert client.request("GET", "/a") == Response(404, b'{"a": 1}', NOON)


@pytest.mark.parametrize("headers", [b"", b"Date: yesterday\r\n"])
def test_a_response_without_a_readable_date_has_none(headers: bytes) -> None:
    with answering(reply(b"<html>", headers)) as (client, _):
        assert client.request("GET", "/a") == Response(200, b"<html>", None)


@pytest.mark.parametrize("media_type", [APPLY, MERGE])
def test_a_patch_is_sent_as_json_under_its_media_type(media_type: str) -> None:
    with answering(reply(b"{}")) as (client, requests):
        client.request("PATCH", "/a", {"b": 1}, media_type, fieldManager="us", force="true")

    head, body = requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"PATCH /a?fieldManager=us&force=true ")
    assert f"Content-Type: {media_type}".encode() in head
    assert body == b'{"b": 1}'


def test_an_object_is_created_by_a_post_and_a_refusal_is_a_response() -> None:
    with answering(reply(b'{"message": "no"}', status=b"403 Forbidden")) as (client, requests):
        response = client.create("/pods", {"kind": "Pod"}, dryRun="All")

    assert (response.status, response.body) == (403, b'{"message": "no"}')
    head, body = requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /pods?dryRun=All ")
    assert b"Content-Type: application/json" in head
    assert body == b'{"kind": "Pod"}'


def test_a_get_that_is_refused_is_an_error_with_the_status() -> None:
    with answering(reply(b'{"message": "no"}', status=b"403 Forbidden")) as (client, _), pytest.raises(RefusedError, match="403 no"):
        client.get("/a")


def test_the_agent_names_the_webhook() -> None:
    with answering(reply(b"{}")) as (client, requests):
        client.get("/a")

    assert b"User-Agent: airflow-sidecar-webhook/" in requests[0]


def test_an_api_server_that_hangs_is_given_up() -> None:
    with answering(None) as (client, _), pytest.raises(UnreachableError, match="timed out"):
        client.request("GET", "/a", read_seconds=0.2)


def test_a_creation_waits_longer_than_the_api_server_does_for_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client_module.WRITE_SECONDS > 60
    monkeypatch.setattr(client_module, "WRITE_SECONDS", 0.2)
    with answering(None) as (client, _), pytest.raises(UnreachableError, match="timed out"):
        client.create("/pods", {})


def test_a_port_on_which_nobody_listens_is_unreachable() -> None:
    with closed_port() as port, pytest.raises(UnreachableError, match="refused"):
        client_of(port).request("GET", "/a")


def test_a_response_that_breaks_off_is_unreachable() -> None:
    with answering(reply(b'{"a": 1}')[:-3]) as (client, _), pytest.raises(UnreachableError):
        client.request("GET", "/a")


def test_requests_one_after_the_other_use_one_connection() -> None:
    with scripted_api_server() as server:
        client = KubernetesClient(Configuration(host=server.url))
        for _ in range(3):
            client.get(NODES_PATH)
        server.refusal = (403, b"{}")
        client.request("GET", NODES_PATH)

        assert len(server.peers) == 1


def test_a_stream_that_goes_silent_is_given_up() -> None:
    with scripted_api_server() as server:
        server.events = [b"one\ntwo\nthr"]
        lines = KubernetesClient(Configuration(host=server.url)).lines(NODES_PATH, 5.0, watch="true", resourceVersion="1")

        assert [next(lines), next(lines), next(lines)] == [b"", b"one", b"two"]
        with pytest.raises(UnreachableError, match="timed out"):
            next(lines)


REFUSALS: Final = {
    "a Status": (403, b'{"kind": "Status", "message": "nodes is forbidden"}', "403 nodes is forbidden"),
    "a proxy's page": (502, b"<html>\n  Bad   Gateway", "502 <html> Bad Gateway"),
    "what is no text": (500, b"\xff\x00", "500 \ufffd\x00"),
    "a book": (500, b"word " * 1000, "500 " + ("word " * 1000)[:MAX_MESSAGE_CHARACTERS].rstrip()),
    "another place": (302, b"over there", "302 over there"),
}


@pytest.mark.parametrize(("status", "body", "text"), REFUSALS.values(), ids=REFUSALS)
def test_an_error_has_the_servers_message_on_one_line(status: int, body: bytes, text: str) -> None:
    with scripted_api_server() as server:
        server.refusal = (status, body)
        with pytest.raises(RefusedError) as refusal:
            KubernetesClient(Configuration(host=server.url)).get(NODES_PATH)

    assert (refusal.value.status, str(refusal.value).rstrip()) == (status, text)
