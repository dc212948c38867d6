"""Connections that no API server opens: a clear answer or a clean close, and the next review is served."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import injected_pod, injected_review, is_answered, new_uid
from tests.service.running_service import (
    DEADLINE_SECONDS,
    NAMES,
    READ_SECONDS,
    eventually,
    read_reply,
    read_to_end,
    request_bytes,
    send_all,
)
from tests.support.oracles.admission import verify
from tests.support.pods import review_of
from webhook.server.protocol import MAX_PIPELINED

if TYPE_CHECKING:
    from tests.service.running_service import RunningService

SLOW_CLIENTS = 200
DRIP_SECONDS = 0.05


def _drip(stream: ssl.SSLSocket, data: bytes) -> tuple[int, bytes]:
    """Send byte after byte until the other side closes: how many there were, and what it said."""
    assert len(data) * DRIP_SECONDS > 15 * READ_SECONDS, "the last one would come long after the time for all"
    stream.settimeout(DRIP_SECONDS)
    received, position = b"", 0
    for position in range(len(data)):
        try:
            stream.send(data[position : position + 1])
            received += (chunk := stream.recv(65536))
        except TimeoutError:
            continue
        except OSError:
            break
        if not chunk:
            break
    return position + 1, received


def test_a_head_that_comes_drop_by_drop_is_cut_off_in_time(attacked: RunningService) -> None:
    head = b"POST /mutate HTTP/1.1\r\n" + b"X-Slow: 1\r\n" * 100
    with attacked.tls() as stream:
        sent, received = _drip(stream, head)
    assert sent < len(head)
    assert received == b""


def test_a_body_that_comes_drop_by_drop_is_408_in_time(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        stream.sendall(request_bytes(review)[: -len(review)])
        sent, received = _drip(stream, review)
    assert sent < len(review)
    assert received.startswith(b"HTTP/1.1 408 ")


def test_a_second_head_that_does_not_come_to_its_end_is_cut_off_in_time(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(injected_review()))
        assert read_reply(stream).status == 200
        stream.sendall(b"POST /mutate HTTP/1.1\r\nHost:")
        assert read_to_end(stream) == b""


def test_blank_lines_between_requests_do_not_keep_a_connection(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(injected_review()))
        assert read_reply(stream).status == 200
        stream.sendall(b"\r\n\r\n")
        assert read_to_end(stream) == b"", "a blank line begins no request, and ends the keep-alive time of the last"


def test_blank_lines_before_a_request_are_overlooked(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        for _ in range(2):
            stream.sendall(b"\r\n\r\n" + request_bytes(review))
            verify(review, read_reply(stream).body)


@pytest.mark.parametrize(
    "line",
    [b"X-Endless: 1\r\n", b"X" * 1000, b"X-Long: " + b"y" * 1000 + b"\r\n", b"\r\n"],
    ids=["many headers", "a long name", "long values", "blank lines"],
)
def test_a_head_without_end_is_cut_off_at_its_size(attacked: RunningService, line: bytes) -> None:
    with attacked.tls() as stream:
        if line != b"\r\n":
            stream.sendall(b"POST /mutate HTTP/1.1\r\n")
        for _ in range(2_000_000 // len(line) // 100):
            send_all(stream, line * 100)
        assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 400"}


def test_a_url_without_end_is_cut_off_at_its_size(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        send_all(stream, b"POST /" + b"a" * 1_000_000)
        assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 400"}


GARBAGE = {
    "binary": bytes(range(256)),
    "zeros": b"\0" * 1000,
    "TLS in TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 508,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"POST /mutate HTTP/9.9\r\n\r\n",
    "no method": b" /mutate HTTP/1.1\r\n\r\n",
    "another protocol": b"EHLO example.org\r\n",
    "a header without colon": b"POST /mutate HTTP/1.1\r\nHost\r\n\r\n",
    "a header with NUL": b"POST /mutate HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "a path that is none": b"POST mutate HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path in Latin-1": b"POST /mut\xe4te HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    "chunks that are none": request_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"zz\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_instead_of_http_is_400_or_closed(attacked: RunningService, garbage: bytes) -> None:
    with attacked.tls() as stream:
        stream.sendall(garbage)
        assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 404"}


def test_what_is_no_http_is_counted_as_refused(attacked: RunningService) -> None:
    before = attacked.metric("refused_requests_total", status="400")
    for stream in (attacked.tls(), attacked.plain()):
        with stream:
            stream.sendall(GARBAGE["no method"])
            read_to_end(stream)
    assert attacked.metric("refused_requests_total", status="400") == before + 2


def test_what_is_no_http_and_an_offer_to_upgrade_are_a_line_each_in_the_log(attacked: RunningService) -> None:
    """Uvicorn would log one more for the first, and two for the second."""
    before = len(attacked.logs)
    for request in (GARBAGE["no method"], request_bytes(b"", "Connection: Upgrade, close", "Upgrade: websocket")):
        with attacked.tls() as stream:
            stream.sendall(request)
            read_to_end(stream)
    assert eventually(lambda: len([line for line in attacked.logs[before:] if line["event"] == "refused"]) == 2)
    assert [line["logger"] for line in attacked.logs[before:] if not line["logger"].startswith("webhook")] == []


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_an_offer_to_upgrade_is_answered_without_one(attacked: RunningService, upgrade: str) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(b"", "Connection: Upgrade", f"Upgrade: {upgrade}"))
        assert read_reply(stream).status == 400


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(range(256)) * 4, b"\x16\x03\x01\xff\xff" + b"a" * 70_000], ids=repr
)
def test_garbage_instead_of_tls_is_closed(attacked: RunningService, garbage: bytes) -> None:
    with attacked.tcp() as stream:
        send_all(stream, garbage)
        received = read_to_end(stream)
        assert b"HTTP" not in received
        assert received == b"" or received[0] == 0x15, "nothing, or a TLS alert"


def test_a_connection_that_is_cut_in_the_middle_harms_nobody(attacked: RunningService) -> None:
    request = request_bytes(injected_review())
    for end in (0, 1, 100, len(request) - 1, len(request)):
        stream = attacked.tls()
        stream.sendall(request[:end])
        # With linger 0 a close is a reset.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.close()
    assert eventually(lambda: attacked.metric("requests_in_flight") == 0)


@pytest.mark.parametrize("complete", [True, False])
def test_a_half_closed_connection_is_answered_or_closed(attacked: RunningService, complete: bool) -> None:
    request = request_bytes(injected_review())
    with attacked.tls() as stream:
        stream.sendall(request if complete else request[:-1])
        stream.shutdown(socket.SHUT_WR)
    with attacked.tls() as stream:
        stream.sendall(request if complete else request[:-1])
        # The answer may come where this side waits for the end.
        with suppress(ssl.SSLError, ConnectionError):
            stream.unwrap().close()
    assert eventually(lambda: attacked.metric("requests_in_flight") == 0)


def test_pipelined_requests_are_answered_in_their_order(attacked: RunningService) -> None:
    reviews = [injected_review() for _ in range(MAX_PIPELINED + 1)]
    with attacked.tls() as stream:
        stream.sendall(b"".join(map(request_bytes, reviews)))
        with stream.makefile("rb") as replies:
            for review in reviews:
                verify(review, _next_body(replies))


def _next_body(replies: object) -> bytes:
    """The body of the next of several replies on one stream, which `HTTPResponse` would read ahead of."""
    assert hasattr(replies, "readline")
    assert hasattr(replies, "read")
    assert replies.readline() == b"HTTP/1.1 200 OK\r\n"
    length = 0
    while (line := replies.readline()) != b"\r\n":
        name, _colon, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    body: bytes = replies.read(length)
    return body


def test_a_flood_of_pipelined_requests_stays_within_bounds(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.settimeout(1)
        # Nobody reads the answers: the service stops to read the questions, or hangs up.
        with suppress(OSError):
            stream.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n" * 100_000)
        is_answered(attacked)


def test_http_1_0_is_answered_and_closed(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        stream.sendall(request_bytes(review, line="POST /mutate HTTP/1.0"))
        verify(review, read_reply(stream).body)
        assert read_to_end(stream) == b""


def test_a_client_that_expects_continue_gets_a_continue(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        stream.sendall(request_bytes(review, "Expect: 100-continue")[: -len(review)])
        assert stream.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(review)
        verify(review, read_reply(stream).body)


def test_a_client_that_expects_continue_with_too_much_gets_no_continue(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(b"", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: 10000000"))
        assert stream.recv(65536).startswith(b"HTTP/1.1 413 ")


def _say_little(attacked: RunningService, number: int) -> socket.socket:
    """One of four kinds of slow clients."""
    request = request_bytes(injected_review())
    if number % 4 == 0:
        return attacked.tcp()
    stream = attacked.tls()
    stream.sendall((request[:100], request[:-1], request[:1])[number % 4 - 1])
    return stream


def test_two_hundred_slow_clients_hold_up_nobody(attacked: RunningService) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(_say_little(attacked, number)) for number in range(SLOW_CLIENTS)]
        # Whoever waits for each of them waits for minutes, and gives up after one.
        is_answered(attacked)
        for stream in slow:
            if isinstance(stream, ssl.SSLSocket):
                stream.settimeout(DEADLINE_SECONDS)
                assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 408"}
        assert eventually(lambda: attacked.metric("requests_in_flight") == 0)


def test_a_client_that_sends_on_and_on_without_reading_is_cut_off(attacked: RunningService) -> None:
    requests = request_bytes(injected_review()) * 50_000
    with attacked.tls() as stream, pytest.raises((ConnectionError, ssl.SSLError)):
        stream.sendall(requests)


def test_a_client_that_does_not_take_its_answers_holds_nothing_for_long(attacked: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0]["command"] = ["x" * 3_000_000]
    review = review_of(pod, uid=new_uid())
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.settimeout(DEADLINE_SECONDS)
        small.connect(("127.0.0.1", attacked.port))
        with attacked.context.wrap_socket(small, server_hostname=NAMES[0]) as stream:
            stream.sendall(request_bytes(review))
            assert eventually(lambda: attacked.metric("requests_in_flight") == 1)
            assert eventually(lambda: attacked.metric("requests_in_flight") == 0)


def test_a_reply_to_a_request_that_was_refused_can_be_read_to_its_end(attacked: RunningService) -> None:
    for _ in range(20):
        with attacked.tls() as stream:
            send_all(stream, request_bytes(b" " * 5_000_000))
            try:
                assert read_reply(stream).status == 413
            except HTTPException as error:
                pytest.fail(f"the reply was lost: {error!r}")
