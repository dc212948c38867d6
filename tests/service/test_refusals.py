"""Requests that are no review, each with the status that says so."""

from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import injected_pod, injected_review, new_uid
from tests.service.running_service import (
    DEADLINE_SECONDS,
    LONGEST_READ_SECONDS,
    READ_SECONDS,
    Reply,
    RunningService,
    eventually,
    read_reply,
    read_to_end,
    request_bytes,
    running_service,
    send_all,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

JSON = "application/json"


def _review(**members: object) -> bytes:
    request = {"uid": new_uid(), "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "object": injected_pod()}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request, **members}).encode()


NOT_A_REVIEW = {
    "empty": b"",
    "blank": b" ",
    "null": b"null",
    "a number": b"7",
    "a list": b"[]",
    "a text": b'"AdmissionReview"',
    "an empty object": b"{}",
    "cut short": _review()[:-1],
    "followed by more": _review() + b"{}",
    "two reviews": _review() + _review(),
    "with a byte order mark": b"\xef\xbb\xbf" + _review(),
    "UTF-16": _review().decode().encode("utf-16"),
    "YAML": b"apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\n",
    "NaN": _review(extra=float("nan")),
    "v1beta1": _review(apiVersion="admission.k8s.io/v1beta1"),
    "another kind": _review(kind="ConversionReview"),
    "no kind": _review(kind=None),
    "no request": _review(request=None),
    "a list as request": _review(request=[]),
    "an answer": b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"a","allowed":true}}',
    "a pod": json.dumps(injected_pod()).encode(),
    "no uid": _review(request={"kind": {"kind": "Pod"}, "operation": "CREATE"}),
    "an empty uid": injected_review(uid=""),
    "a number as uid": injected_review(uid=7),
    "null as uid": injected_review(uid=None),
    "no kind of object": injected_review(kind=None),
    "a text as kind": injected_review(kind="Pod"),
    "a list as operation": injected_review(operation=["CREATE"]),
    "a number as namespace": injected_review(namespace=7),
    "a list as name": injected_review(name=[]),
    "a text as dryRun": injected_review(dryRun="true"),
    "an object as subResource": injected_review(subResource={}),
}


@pytest.mark.parametrize("body", NOT_A_REVIEW.values(), ids=NOT_A_REVIEW.keys())
def test_a_body_that_is_no_review_is_400_in_plain_words(service: RunningService, body: bytes) -> None:
    reply = service.post(body)
    assert reply.status == 400
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body.startswith(b"the body is not an AdmissionReview of admission.k8s.io/v1: ")
    assert reply.body.count(b"\n") == 1


@pytest.mark.parametrize("path", ["/", "/mutat", "/mutate/", "/mutate/x", "/MUTATE", "//mutate", "/validate", "/%6dutate%00", "/../mutate"])
def test_another_path_is_404(service: RunningService, path: str) -> None:
    assert service.post(injected_review(), path=path).status == 404


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/healthz", "/readyz", "/metrics"])
def test_the_webhooks_port_has_one_route(service: RunningService, path: str) -> None:
    assert service.post(b"", path=path, method="GET").status == 404


@pytest.mark.parametrize("path", ["/mutate", "/docs", "/openapi.json", "/", "/debug"])
def test_the_health_port_has_three_routes(service: RunningService, path: str) -> None:
    assert service.health(path).status == 404
    assert service.health(path, "POST").status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_another_method_is_405_and_says_which_is_allowed(service: RunningService, method: str) -> None:
    reply = service.post(injected_review() if method in {"PUT", "PATCH"} else b"", method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/yaml"},
        {"Content-Type": "application/json-patch+json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/vnd.kubernetes.protobuf"},
        {"Content-Type": ""},
        {"Content-Type": ";application/json"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ],
    ids=str,
)
def test_a_body_of_another_type_or_encoding_is_415(service: RunningService, headers: dict[str, str]) -> None:
    assert service.post(gzip.compress(injected_review()), headers).status == 415


def test_a_body_without_a_type_is_415(service: RunningService) -> None:
    with service.tls() as stream:
        stream.sendall(request_bytes(injected_review()).replace(b"Content-Type: application/json\r\n", b""))
        assert read_reply(stream).status == 415


def test_the_identity_encoding_is_no_encoding(service: RunningService) -> None:
    assert service.post(injected_review(), {"Content-Encoding": "identity"}).status == 200


def test_a_body_that_does_not_arrive_is_408_and_the_connection_is_closed(service: RunningService) -> None:
    with service.tls() as stream:
        stream.sendall(request_bytes(injected_review())[:-1])
        reply = read_reply(stream)
        assert (reply.status, reply.body) == (408, f"the body did not arrive within {READ_SECONDS:g} s\n".encode())
        assert reply.headers["connection"] == "close"
        assert read_to_end(stream) == b""


@pytest.fixture(scope="module")
def shared_small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    directory = tmp_path_factory.mktemp("small")
    with running_service(directory, max_body_bytes=900_000, max_buffered_bytes=1024 * 1024, read_seconds=LONGEST_READ_SECONDS) as service:
        yield service


@pytest.fixture
def small(shared_small: RunningService) -> RunningService:
    """A service with room for one large body; it has none yet."""
    assert eventually(lambda: shared_small.metric("requests_in_flight") == 0)
    return shared_small


def test_too_much_at_once_is_503_and_the_api_server_retries(small: RunningService) -> None:
    review = injected_review()
    padded = review + b" " * (890_000 - len(review))
    refused_before = small.metric("refused_requests_total", status="503")
    with small.tls() as one, small.tls() as other:
        for stream in (one, other):
            send_all(stream, request_bytes(padded)[:-1])
        assert eventually(lambda: small.metric("refused_requests_total", status="503") > refused_before)
        small.log(event="refused", status=503)
        refused, reply = _first_reply(one, other)
        assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (503, "1", "close")
        assert reply.body == b"too many requests at once\n"
        assert small.post(review).status == 200, "a small one still fits"
        accepted = other if refused is one else one
        accepted.settimeout(DEADLINE_SECONDS)
        accepted.sendall(padded[-1:])
        assert read_reply(accepted).status == 200, "the accepted one is answered"
    assert small.post(padded).status == 200, "and then there is room again"


def test_a_large_body_that_does_not_end_is_503_when_another_needs_its_room(small: RunningService) -> None:
    review = injected_review()
    padded = review + b" " * (850_000 - len(review))
    with small.tls() as slow:
        send_all(slow, request_bytes(padded)[:-1])
        assert eventually(lambda: small.metric("requests_in_flight") == 1)
        assert small.post(padded).status == 200
        assert read_reply(slow).status == 503


def _first_reply(*streams: ssl.SSLSocket) -> tuple[ssl.SSLSocket, Reply]:
    """Which of them is answered first, and how."""
    for stream in itertools.cycle(streams):
        stream.settimeout(0.05)
        try:
            return stream, read_reply(stream)
        except TimeoutError:
            continue
    raise AssertionError


@pytest.mark.parametrize(
    ("path", "status"),
    [("/mutate", 400), ("/elsewhere", 404)],
)
def test_a_refusal_is_counted_and_logged_once(service: RunningService, path: str, status: int) -> None:
    counted = service.metric("refused_requests_total", status=str(status))
    logged = len([line for line in service.logs if line["event"] == "refused" and line["status"] == status])
    service.post(b"{}", path=path)
    service.post(injected_review(uid=(fence := new_uid())))
    service.log(uid=fence)
    assert service.metric("refused_requests_total", status=str(status)) == counted + 1
    assert len([line for line in service.logs if line["event"] == "refused" and line["status"] == status]) == logged + 1
