"""How long a connection lives, and what TLS it speaks."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import injected_review
from tests.service.running_service import (
    DEADLINE_SECONDS,
    NAMES,
    RunningService,
    read_reply,
    read_to_end,
    request_bytes,
    running_service,
    send,
)
from tests.support.oracles.admission import verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection

LONGER_THAN_UVICORNS_DEFAULT_SECONDS = 6
REFUSED_BY_THE_OTHER_SIDE = r"ALERT_PROTOCOL_VERSION|ALERT_HANDSHAKE_FAILURE|UNEXPECTED_EOF|closed \(EOF\)"
"""uvloop closes after a failed handshake without sending OpenSSL's alert; what this client refuses itself has other words."""


def _stays_open(client: HTTPConnection, seconds: float) -> bool:
    """Whether nothing, not even an end, comes on an idle connection in this time. The claim is about this time, so it waits for it."""
    assert isinstance(client.sock, socket.socket)
    client.sock.settimeout(seconds)
    try:
        client.sock.recv(1)
    except TimeoutError:
        return True
    return False


def test_an_idle_connection_outlives_uvicorns_own_five_seconds(service: RunningService) -> None:
    client = service.connect()
    assert send(client, injected_review()).status == 200
    assert _stays_open(client, LONGER_THAN_UVICORNS_DEFAULT_SECONDS)
    review = injected_review()
    verify(review, send(client, review).body)
    client.close()


def test_a_connection_that_its_client_opens_before_it_needs_it_outlives_the_time_for_a_request(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The API server does so (Go's net/http: a dial goes on where another connection becomes free first), and writes to it seconds later."""
    with running_service(tmp_path_factory.mktemp("early"), read_seconds=0.5) as service:
        client = service.connect()
        assert _stays_open(client, 1.5)
        review = injected_review()
        verify(review, send(client, review).body)
        client.close()


@pytest.fixture(scope="module")
def brief_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that closes a connection after a second without a request."""
    with running_service(tmp_path_factory.mktemp("brief"), keep_alive_seconds=1) as service:
        yield service


def test_a_connection_is_closed_after_the_time_that_was_set(brief_service: RunningService) -> None:
    with brief_service.tls() as stream:
        began = time.monotonic()
        stream.sendall(request_bytes(injected_review()))
        assert read_reply(stream).status == 200
        assert read_to_end(stream) == b"", "by default it stays open for longer than the test waits"
        assert time.monotonic() - began > 0.5


def test_a_connection_that_says_nothing_is_closed_after_the_same_time(brief_service: RunningService) -> None:
    with brief_service.tls() as stream:
        assert read_to_end(stream) == b"", "by default it stays open for longer than the test waits"


def test_a_kept_alive_connection_serves_request_after_request(service: RunningService) -> None:
    client = service.connect()
    for _ in range(100):
        review = injected_review()
        verify(review, send(client, review).body)
    client.close()


def test_a_refusal_by_the_application_does_not_cost_the_connection(service: RunningService) -> None:
    client = service.connect()
    assert [send(client, b"{}").status, send(client, b"", path="/x").status, send(client, injected_review()).status] == [400, 404, 200]
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_with_forward_secrecy_and_authenticated_encryption(
    service: RunningService, version: ssl.TLSVersion
) -> None:
    context = service.certificates.client_context()
    context.minimum_version = context.maximum_version = version
    review = injected_review()
    with service.tls(context) as stream:
        cipher = stream.cipher()
        assert cipher
        assert cipher[0].startswith("TLS_" if version is ssl.TLSVersion.TLSv1_3 else "ECDHE-ECDSA-")
        assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]
        stream.sendall(request_bytes(review))
        verify(review, read_reply(stream).body)


@pytest.mark.parametrize("group", ["secp384r1", "secp521r1", "ffdhe2048", "ffdhe8192"])
def test_a_client_that_offers_only_a_costly_group_is_refused(service: RunningService, group: str) -> None:
    context = service.certificates.client_context()
    context.set_ecdh_curve(group)
    with pytest.raises(ssl.SSLError, match=REFUSED_BY_THE_OTHER_SIDE):
        service.tls(context)


def test_tls_1_1_is_refused_by_the_service(service: RunningService) -> None:
    context = service.certificates.client_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # Without it this client would not even try.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=REFUSED_BY_THE_OTHER_SIDE):
        service.tls(context)


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(service: RunningService, ciphers: str) -> None:
    context = service.certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with pytest.raises(ssl.SSLError, match=REFUSED_BY_THE_OTHER_SIDE):
        service.tls(context)


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)])
def test_the_protocol_is_http_1_1(service: RunningService, offered: list[str], chosen: str | None) -> None:
    context = service.certificates.client_context()
    if offered:
        context.set_alpn_protocols(offered)
    with service.tls(context) as stream:
        assert stream.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("name", [*NAMES, "127.0.0.1"])
def test_the_certificate_holds_for_every_name_of_the_service(service: RunningService, name: str) -> None:
    with service.tls(name=name) as stream:
        assert stream.version() == "TLSv1.3"


def test_the_certificate_holds_for_no_other_name(service: RunningService) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        service.tls(name="istiod.istio-system.svc")


def test_whoever_sends_no_server_name_gets_the_same_certificate(service: RunningService) -> None:
    context = service.certificates.client_context()
    context.check_hostname = False
    with context.wrap_socket(service.tcp()) as stream:
        assert stream.version() == "TLSv1.3"


def test_a_client_that_trusts_another_authority_refuses_the_service(service: RunningService) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        service.tls(ssl.create_default_context())


def test_the_health_port_speaks_no_tls_and_the_webhooks_port_nothing_else(service: RunningService) -> None:
    with socket.create_connection(("127.0.0.1", service.health_port), timeout=DEADLINE_SECONDS) as stream, pytest.raises(ssl.SSLError):
        service.context.wrap_socket(stream, server_hostname=NAMES[0])
    with service.tcp() as stream:
        stream.sendall(request_bytes(injected_review()))
        assert b"HTTP" not in read_to_end(stream)
