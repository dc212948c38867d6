"""The connection to an API server that misbehaves: it hangs, closes, talks of something else. A listening socket plays its part."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from kubernetes.client import Configuration

from certs import connection
from certs.api import APPLY
from certs.connection import Connection
from certs.errors import UnreachableError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 10
DATE: Final = b"Date: Sun, 01 Mar 2026 12:00:00 GMT\r\n"


def reply(body: bytes, headers: bytes = DATE, status: bytes = b"200 OK") -> bytes:
    """An HTTP reply."""
    return b"HTTP/1.1 %b\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body)


def received(connection: socket.socket) -> bytes:
    """A request to its end, as its Content-Length has it."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < length_of(data):
        data += connection.recv(65536)
    return data


def length_of(data: bytes) -> int:
    """Of a request's body."""
    found = re.search(rb"Content-Length: (\d+)", data)
    return int(found[1]) if found else 0


@contextmanager
def answering(answer: bytes | None) -> Iterator[tuple[Connection, list[bytes]]]:
    """One connection is taken and answered; None: never."""
    asked: list[bytes] = []
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                asked.append(received(taken))
                if answer is None:
                    ended.wait(SECONDS)
                else:
                    taken.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Connection(Configuration(host=f"http://127.0.0.1:{server.getsockname()[1]}")), asked
        finally:
            ended.set()
            thread.join(SECONDS)


def test_an_answer_has_its_status_its_object_and_its_time() -> None:
    with answering(reply(b'{"a": 1}', status=b"404 Not Found")) as (api, _):
        answer = api.send("GET", "/a")

    assert (answer.status, answer.body, answer.date.isoformat()) == (404, {"a": 1}, "2026-03-01T12:00:00+00:00")


def test_an_apply_is_sent_as_one() -> None:
    with answering(reply(b"{}")) as (api, asked):
        api.send("PATCH", "/a", {"b": 1}, APPLY, fieldManager="us", force="true")

    head, body = asked[0].split(b"\r\n\r\n")
    assert head.startswith(b"PATCH /a?fieldManager=us&force=true ")
    assert b"Content-Type: application/apply-patch+yaml" in head
    assert body == b'{"b": 1}'


def test_an_api_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", (0.2, 0.2))
    with answering(None) as (api, _), pytest.raises(UnreachableError):
        api.send("GET", "/a")


def test_a_port_where_nobody_listens_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnreachableError, match="refused"):
        Connection(Configuration(host=f"http://127.0.0.1:{port}")).send("GET", "/a")


@pytest.mark.parametrize(
    "answer", [reply(b"<html>"), reply(b"[]"), reply(b"{}", headers=b""), reply(b"{}", headers=b"Date: yesterday\r\n")]
)
def test_an_answer_of_somebody_else_is_told_so(answer: bytes) -> None:
    with answering(answer) as (api, _), pytest.raises(UnreadableError):
        api.send("GET", "/a")


def test_an_answer_that_breaks_off_is_told_so() -> None:
    with answering(reply(b'{"a": 1}')[:-3]) as (api, _), pytest.raises(UnreachableError):
        api.send("GET", "/a")
