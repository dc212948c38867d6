"""The Kubernetes client as the certificate manager has it, on an API server that misbehaves (tests/support/answering_socket.py)."""

from __future__ import annotations

import pytest

from certs.api import APPLY
from certs.errors import ApiUnreachableError, ApiUnreadableError
from tests.support.answering_socket import answering, client_of, closed_port, reply
from webhook.server import certificates_api
from webhook.server.certificates_api import CertificatesApi


def test_a_response_has_its_status_its_object_and_its_date() -> None:
    with answering(reply(b'{"a": 1}', status=b"404 Not Found")) as (client, _):
        response = CertificatesApi(client).request("GET", "/a")

    assert (response.status, response.body, response.date.isoformat()) == (404, {"a": 1}, "2026-03-01T12:00:00+00:00")


def test_an_apply_is_sent_as_one() -> None:
    with answering(reply(b"{}")) as (client, requests):
        CertificatesApi(client).request("PATCH", "/a", {"b": 1}, APPLY, fieldManager="us", force="true")

    head, body = requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"PATCH /a?fieldManager=us&force=true ")
    assert b"Content-Type: application/apply-patch+yaml" in head
    assert body == b'{"b": 1}'


def test_an_api_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates_api, "READ_SECONDS", 0.2)
    with answering(None) as (client, _), pytest.raises(ApiUnreachableError):
        CertificatesApi(client).request("GET", "/a")


def test_a_port_on_which_nobody_listens_is_unreachable() -> None:
    with closed_port() as port, pytest.raises(ApiUnreachableError, match="refused"):
        CertificatesApi(client_of(port)).request("GET", "/a")


@pytest.mark.parametrize(
    "answer", [reply(b"<html>"), reply(b"\xff"), reply(b"[]"), reply(b"{}", headers=b""), reply(b"{}", headers=b"Date: yesterday\r\n")]
)
def test_a_response_that_no_api_server_sends_is_unreadable(answer: bytes) -> None:
    with answering(answer) as (client, _), pytest.raises(ApiUnreadableError, match="status 200"):
        CertificatesApi(client).request("GET", "/a")


def test_a_response_that_breaks_off_is_unreachable() -> None:
    with answering(reply(b'{"a": 1}')[:-3]) as (client, _), pytest.raises(ApiUnreachableError):
        CertificatesApi(client).request("GET", "/a")
