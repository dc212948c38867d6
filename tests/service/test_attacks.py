"""Attacks that would take the memory, the descriptors or the log of the service: each is bounded, and reviews go on beside it."""

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
    LONGEST_READ_SECONDS,
    NAMES,
    READ_SECONDS,
    RunningService,
    eventually,
    read_reply,
    read_to_end,
    request_bytes,
    running_service,
    send_all,
)
from tests.support.hostile_pods import HOSTILE_PODS
from tests.support.key_updates import KeyUpdatingClient
from tests.support.oracles.admission import verify
from tests.support.pods import review_of
from webhook.server.protocol import MAX_FIELDS, MAX_HEAD_BYTES
from webhook.server.serve import UNREAD_BYTES
from webhook.server.tls_records import MAX_RECORDS
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNKED = request_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
MEBIBYTE = 1024 * 1024

MOST_FOR_A_QUARTER = 35 * MEBIBYTE
"""Of the connections, with a quarter of the buffer: four times as much, and 85 MiB for a service that watches a cluster, is 225 MiB."""


def chunked(body: bytes, trailers: bytes) -> bytes:
    """A request with one chunk and these trailers; the empty line that would end them is missing."""
    return CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\n" + trailers


def grows_less_than(service: RunningService, size: int) -> bool:
    """Whether the peak is at most this much above what is resident now."""
    return service.peak_rss_bytes() - service.rss_bytes() < size


@pytest.fixture(scope="module")
def shared_small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(
        tmp_path_factory.mktemp("small"), max_connections=16, max_connections_per_peer=8, read_seconds=LONGEST_READ_SECONDS
    ) as service:
        yield service


@pytest.fixture
def small(shared_small: RunningService) -> RunningService:
    """A service with room for sixteen connections, eight of them from one address; it has none yet, and no request."""
    assert eventually(lambda: shared_small.metric("connections", port="https") == shared_small.metric("requests_in_flight") == 0)
    return shared_small


@pytest.fixture
def displaced(small: RunningService) -> Callable[[], float]:
    """How many connections it has displaced since the beginning of the test."""
    before = small.metric("displaced_connections_total", port="https")
    return lambda: small.metric("displaced_connections_total", port="https") - before


def idle(service: RunningService, source: str) -> ssl.SSLSocket:
    """A connection that is idle after one review."""
    stream = service.tls(source=source)
    stream.sendall(request_bytes(injected_review()))
    assert read_reply(stream).status == 200
    return stream


def is_open(stream: ssl.SSLSocket) -> bool:
    """Whether a review on this connection is answered."""
    try:
        stream.sendall(request_bytes(injected_review()))
        return read_reply(stream).status == 200
    except (OSError, HTTPException):
        return False


@pytest.mark.parametrize("line", [b"X: 1\r\n", b"y" * 1000], ids=["many headers", "one header"])
def test_a_head_without_end_on_the_health_port_is_cut_off_at_its_size(attacked: RunningService, line: bytes) -> None:
    with attacked.plain() as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        for _ in range(20 * MEBIBYTE // len(line) // 1000):
            send_all(stream, line * 1000)
        assert read_to_end(stream) == b""
    assert grows_less_than(attacked, 30 * MEBIBYTE)


def test_answers_of_the_health_port_that_nobody_reads_stay_within_bounds(attacked: RunningService) -> None:
    with attacked.plain() as stream, suppress(OSError):
        stream.settimeout(READ_SECONDS + 5)
        stream.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * (20 * MEBIBYTE // 36))
    assert attacked.health("/healthz").status == 200
    assert grows_less_than(attacked, 60 * MEBIBYTE)


def test_a_silent_connection_to_the_health_port_is_closed(attacked: RunningService) -> None:
    with attacked.plain() as stream:
        assert read_to_end(stream) == b""


def test_a_large_body_on_the_health_port_is_refused(attacked: RunningService) -> None:
    with attacked.plain() as stream:
        send_all(stream, b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"y" * 100_000)
        assert read_reply(stream).status == 413


@pytest.mark.parametrize(
    ("start_of", "more"),
    [(b"", b"a:\r\n"), (b"X: ", b"y" * 1000), (b"", b"y" * 1000)],
    ids=["many trailers", "a long value", "a long name"],
)
def test_trailers_without_end_are_cut_off_at_their_size(attacked: RunningService, start_of: bytes, more: bytes) -> None:
    with attacked.tls() as stream:
        send_all(stream, chunked(injected_review(), start_of))
        for _ in range(20 * MEBIBYTE // len(more) // 1000):
            send_all(stream, more * 1000)
        assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 400"}
    assert grows_less_than(attacked, 30 * MEBIBYTE)


def test_the_extension_of_a_chunk_is_cut_off_at_its_size(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        send_all(stream, CHUNKED + b"2;")
        for _ in range(2):
            send_all(stream, b"y" * MEBIBYTE)
        assert read_to_end(stream)[:12] in {b"", b"HTTP/1.1 400"}


@pytest.mark.parametrize("place", ["head", "trailers"])
def test_too_many_fields_are_cut_off_at_their_number(attacked: RunningService, place: str) -> None:
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(300))
    with attacked.tls() as stream:
        head = request_bytes(injected_review()).partition(b"\r\n\r\n")[0] + b"\r\n"
        send_all(stream, head + fields + b"\r\n" if place == "head" else chunked(injected_review(), fields))
        assert read_to_end(stream) == b""


def test_a_trailer_is_no_header(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.sendall(chunked(injected_review(), b"Content-Encoding: gzip\r\n\r\n"))
        assert read_reply(stream).status == 200


def test_a_handshake_that_does_not_begin_or_end_is_cut_off_in_time(attacked: RunningService) -> None:
    with attacked.tcp() as silent, attacked.tcp() as begun:
        begun.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert read_to_end(silent) == b""
        assert read_to_end(begun) == b""
    assert eventually(lambda: attacked.metric("connections", port="https") == 0)


def client_hello(service: RunningService, name: str = NAMES[0]) -> bytes:
    """The first message of a client, in one record, with this server name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = service.context.wrap_bio(incoming, outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def answers_hello(stream: socket.socket) -> bool:
    """Whether the service goes on with the handshake."""
    return stream.recv(1) == b"\x16"


@pytest.mark.parametrize("first", [1, 5, 8, 9, 100])
def test_a_client_hello_that_comes_in_two_packets_is_answered(attacked: RunningService, first: int) -> None:
    hello = client_hello(attacked)
    with attacked.tcp() as stream:
        stream.sendall(hello[:first])
        assert eventually(lambda: attacked.metric("connections", port="https") == 1)
        stream.sendall(hello[first:])
        assert answers_hello(stream)


def test_a_client_hello_in_two_records_is_closed(attacked: RunningService) -> None:
    message = client_hello(attacked)[5:]
    records = [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (message[:100], message[100:])]
    with attacked.tcp() as stream:
        send_all(stream, b"".join(records))
        assert read_to_end(stream) == b""


def test_a_client_hello_larger_than_any_client_sends_is_closed(attacked: RunningService) -> None:
    context = attacked.certificates.client_context()
    context.set_alpn_protocols(["x" * 200] * 20)
    with pytest.raises(OSError), attacked.tcp() as stream:  # noqa: PT011 - closed or reset, whichever comes first
        context.wrap_socket(stream, server_hostname=NAMES[0])


def test_a_server_name_that_is_not_ascii_is_answered_and_appears_in_no_log(attacked: RunningService) -> None:
    hello = client_hello(attacked, "a" * 63).replace(b"a" * 63, b"\xff{secret}\n".ljust(63, b"\xfe"))
    with attacked.tcp() as stream:
        stream.sendall(hello)
        assert answers_hello(stream)
    is_answered(attacked)
    assert (attacked.stderr, "secret" in attacked.text) == ("", False)


def test_key_updates_end_their_connection_before_they_take_time(attacked: RunningService, tmp_path: Path) -> None:
    context = attacked.certificates.client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.keylog_filename = str(tmp_path / "secrets")
    client = KeyUpdatingClient(attacked.tls(context), tmp_path / "secrets")
    with client.socket as stream:
        stream.sendall(client.key_update() + client.record(request_bytes(injected_review())))
        assert stream.recv(1) == b"\x17", "one is answered, and so is the review behind it"
        send_all(stream, b"".join(client.key_update() for _ in range(MAX_RECORDS * 2)))
        assert eventually(lambda: attacked.metric("connections", port="https") == 0)
    is_answered(attacked)


@pytest.mark.parametrize("handshakes", [True, False])
def test_an_address_with_too_many_connections_loses_its_oldest_idle_one(
    small: RunningService, displaced: Callable[[], float], handshakes: bool
) -> None:
    with ExitStack() as streams:
        silent = [streams.enter_context(small.tls() if handshakes else small.tcp()) for _ in range(8)]
        assert eventually(lambda: small.metric("connections", port="https") == 8)
        newest = streams.enter_context(idle(small, "127.0.0.1"))
        assert read_to_end(silent[0]) == b""
        assert is_open(newest)
        assert small.metric("connections", port="https") == 8
        assert displaced() == 1


def test_beyond_the_limit_of_all_the_address_with_the_most_connections_pays(small: RunningService, displaced: Callable[[], float]) -> None:
    with ExitStack() as streams:
        few = streams.enter_context(idle(small, "127.0.0.1"))
        many = [streams.enter_context(small.tcp(source)) for source in ("127.0.0.2", "127.0.0.3") for _ in range(8)]
        assert eventually(lambda: displaced() == 1)
        assert small.metric("connections", port="https") == 16
        assert is_open(few), "although it has been idle for the longest time"
        assert read_to_end(many[0]) == b""


@pytest.mark.parametrize("behind", [request_bytes(b"{}"), CHUNKED, request_bytes(b"{}") * 20])
def test_connections_with_a_request_behind_another_one_leave_room_for_other_addresses(small: RunningService, behind: bytes) -> None:
    with ExitStack() as streams:
        earlier = streams.enter_context(idle(small, "127.0.0.1"))
        for source in ("127.0.0.2", "127.0.0.3"):
            for _ in range(8):
                stream = streams.enter_context(small.tls(source=source))
                stream.sendall(request_bytes(injected_review()) + behind + CHUNKED)
        assert is_open(streams.enter_context(idle(small, "127.0.0.4")))
        assert is_open(earlier), "its address has as few as the new one"


def test_a_review_under_way_does_not_pay_for_new_connections(small: RunningService, displaced: Callable[[], float]) -> None:
    reviewed_before = small.metric("review_duration_seconds_count")
    pod = injected_pod()
    pod["spec"]["containers"][0]["command"] = ["x" * 3_000_000]
    with ExitStack() as streams:
        busy = socket.socket()
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        busy.settimeout(DEADLINE_SECONDS)
        busy.connect(("127.0.0.1", small.port))
        stream = streams.enter_context(small.context.wrap_socket(busy, server_hostname="airflow-sidecar-webhook"))
        stream.sendall(request_bytes(review_of(pod, uid=new_uid())))
        assert eventually(
            lambda: small.metric("requests_in_flight") == 1 and small.metric("review_duration_seconds_count") > reviewed_before
        )
        for _ in range(20):
            streams.enter_context(small.tcp())
        assert eventually(lambda: displaced() == 13)
        assert read_reply(stream).status == 200


def test_one_response_that_nobody_reads_ends_its_connection_in_time(attacked: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0]["command"] = ["x" * 3_000_000]
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.settimeout(DEADLINE_SECONDS)
        small.connect(("127.0.0.1", attacked.port))
        with attacked.context.wrap_socket(small, server_hostname=NAMES[0]) as stream:
            stream.sendall(request_bytes(review_of(pod, uid=new_uid())))
            assert eventually(lambda: attacked.metric("review_duration_seconds_count") >= 1)
            assert eventually(lambda: attacked.metric("connections", port="https") == 0)


def unread(service: RunningService, source: str, requests: bytes) -> socket.socket:
    """A connection that has sent as many requests as the service took, and reads no response."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((source, 0))
    connection.settimeout(DEADLINE_SECONDS)
    connection.connect(("127.0.0.1", service.port))
    stream = service.context.wrap_socket(connection, server_hostname=NAMES[0])
    stream.settimeout(0.1)
    with suppress(OSError):
        stream.sendall(requests)
    return stream


def test_of_connections_that_read_no_response_the_oldest_of_the_address_with_the_most_pay(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_service(
            tmp_path_factory.mktemp("unread"),
            max_body_bytes=MEBIBYTE,
            max_buffered_bytes=4 * UNREAD_BYTES,
            read_seconds=LONGEST_READ_SECONDS,
        ) as service,
        ExitStack() as streams,
    ):
        honest = streams.enter_context(idle(service, "127.0.0.1"))
        for _ in range(6):
            streams.enter_context(unread(service, "127.0.0.2", request_bytes(injected_review()) * 100))
        assert eventually(lambda: service.metric("displaced_connections_total", port="https") == 2)
        assert service.metric("connections", port="https") == 5
        assert is_open(honest)


def test_where_the_buffers_of_all_connections_are_too_large_the_address_that_takes_the_most_pays(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with (
        running_service(
            tmp_path_factory.mktemp("buffers"), max_connections=16, max_connections_per_peer=16, read_seconds=LONGEST_READ_SECONDS
        ) as service,
        ExitStack() as streams,
    ):
        honest = streams.enter_context(idle(service, "127.0.0.1"))
        pod = injected_pod()
        pod["spec"]["containers"][0]["command"] = ["x" * 50_000]
        for _ in range(15):
            stream = streams.enter_context(service.tls(source="127.0.0.2"))
            stream.sendall(request_bytes(review_of(pod, uid=new_uid())))
            assert read_reply(stream).status == 200
        assert eventually(lambda: service.metric("displaced_connections_total", port="https") > 0)
        assert is_open(honest)


def test_a_body_under_way_does_not_pay_for_those_of_other_addresses_that_stop_short(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_service(
            tmp_path_factory.mktemp("short"), max_body_bytes=MEBIBYTE, max_buffered_bytes=MEBIBYTE, read_seconds=LONGEST_READ_SECONDS
        ) as service,
        ExitStack() as streams,
    ):
        review = injected_review()
        honest = streams.enter_context(service.tls(source="127.0.0.1"))
        honest.sendall((request_bytes(review + b" " * (200_000 - len(review))))[:-1])
        assert eventually(lambda: service.metric("requests_in_flight") == 1)
        for source in ("127.0.0.2", "127.0.0.3"):
            for _ in range(8):
                stream = streams.enter_context(service.tls(source=source))
                send_all(stream, request_bytes(b" " * 100_000)[:-1])
        assert eventually(lambda: service.metric("refused_requests_total", status="503") == 8), "although each is smaller"
        honest.sendall(b" ")
        assert read_reply(honest).status == 200


def test_what_all_connections_can_hold_leaves_room_for_a_slow_review(tmp_path_factory: pytest.TempPathFactory) -> None:
    usual = Settings()
    connections, buffered = usual.max_connections // 4, usual.max_buffered_bytes // 4
    fields = [f"X-{number}: {'y' * (MAX_HEAD_BYTES // MAX_FIELDS - 16)}" for number in range(MAX_FIELDS - 3)]
    head = request_bytes(b"", *fields, f"Content-Length: {usual.max_body_bytes}").replace(b"Content-Length: 0\r\n", b"")
    with (
        running_service(
            tmp_path_factory.mktemp("all"),
            max_connections=connections,
            max_connections_per_peer=connections,
            max_buffered_bytes=buffered,
            read_seconds=LONGEST_READ_SECONDS,
        ) as service,
        ExitStack() as streams,
    ):
        is_answered(service)
        before = service.rss_bytes()
        service.forget_peak()
        opened = [streams.enter_context(service.tls(source="127.0.0.2")) for _ in range(connections - 1)]
        for stream in opened:
            stream.sendall(request_bytes(b"x" * 60_000))
            assert read_reply(stream).status == 400
        for stream in opened:
            stream.sendall(head)
            stream.setblocking(False)

        def is_full() -> bool:
            for stream in opened:
                with suppress(OSError):
                    stream.send(b" " * 16 * 1024)
            return service.metric("refused_requests_total", status="503") > 0

        assert eventually(is_full)
        slow = review_of(HOSTILE_PODS["inline volumes beside many sidecars"](), uid=new_uid())
        assert eventually(lambda: service.post(slow).status == 200)
        assert service.peak_rss_bytes() - before < MOST_FOR_A_QUARTER


def test_a_large_response_comes_whole(attacked: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0]["command"] = ["x" * 3_000_000]
    review = review_of(pod, uid=new_uid())
    after = verify(review, attacked.post(review).body)
    assert after["spec"]["containers"][0]["command"][-1] == "x" * 3_000_000


def test_peers_that_send_small_reviews_at_once_are_all_answered(attacked: RunningService) -> None:
    with ExitStack() as streams:
        waiting = []
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3") * 20:
            waiting.append(streams.enter_context(attacked.tls(source=source)))
            waiting[-1].sendall(request_bytes(injected_review()) * 3)
        for stream in waiting:
            assert [read_reply(stream).status] == [200]


def test_silent_connections_do_not_take_the_descriptors_of_reviews(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_service(tmp_path_factory.mktemp("few"), descriptors=64, read_seconds=LONGEST_READ_SECONDS) as service,
        ExitStack() as streams,
    ):
        assert service.log(event="few descriptors")["max_connections"] == 18
        for _ in range(100):
            streams.enter_context(service.plain())
            streams.enter_context(service.tcp("127.0.0.2"))
        is_answered(service)
        assert service.health("/healthz").status == 200


def test_a_log_that_nobody_reads_stops_neither_reviews_nor_health(tmp_path_factory: pytest.TempPathFactory) -> None:
    reviews = 1500
    with running_service(tmp_path_factory.mktemp("unread")) as service:
        service.stop_reading()
        with service.tls() as stream:
            for _ in range(reviews):
                stream.sendall(request_bytes(injected_review(namespace="n" * 1000)))
                assert read_reply(stream).status == 200
        assert service.health("/healthz").status == 200
        dropped = service.metric("log_lines_dropped_total")
        assert dropped > 0
        service.resume_reading()
        assert eventually(lambda: len([line for line in service.logs if line["event"] == "review"]) + dropped == reviews)


def test_a_line_of_the_log_has_a_largest_size(service: RunningService) -> None:
    uid = new_uid()
    service.post(injected_review(uid=uid, namespace="n" * 100_000))
    assert service.log(uid=uid)["truncated_bytes"] > 100_000
    assert max(map(len, service.text.splitlines())) < 16 * 1024
