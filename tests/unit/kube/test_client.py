"""The Kubernetes client's requests and responses, and an API server that hangs, breaks off or is not there (tests/support/answering_socket.py).

A watch that goes silent, and the text of refusals: tests/service/test_cluster_outage.py. Real API servers: tests/e2e/api_server.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.answering_socket import answering, client_of, closed_port, reply
from webhook.kube import client as client_module
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError, UnreachableError

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
    with pytest.raises(UnreachableError, match="refused"):
        client_of(closed_port()).request("GET", "/a")


def test_a_response_that_breaks_off_is_unreachable() -> None:
    with answering(reply(b'{"a": 1}')[:-3]) as (client, _), pytest.raises(UnreachableError):
        client.request("GET", "/a")
