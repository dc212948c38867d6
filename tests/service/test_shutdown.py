"""How the service ends: a request that has begun is answered, and no connection delays the end beyond the shutdown time."""

from __future__ import annotations

import inspect
import signal
import socket
from typing import TYPE_CHECKING

import pytest
import uvicorn

from tests.service.reviews import injected_review, is_answered
from tests.service.running_service import (
    DEADLINE_SECONDS,
    LONGEST_READ_SECONDS,
    RunningService,
    eventually,
    read_reply,
    read_to_end,
    request_bytes,
    running_service,
    send,
)
from tests.support.oracles.admission import verify
from webhook.server.limited_server import SHUTDOWN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE_SECONDS = SHUTDOWN_SECONDS + DEADLINE_SECONDS
"""After the shutdown time, on a busy machine; the connections would stay open for longer."""

EXCEEDED = "timeout graceful shutdown exceeded"
"""What uvicorn logs where the shutdown time is over before the last connection has ended."""


@pytest.fixture
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("shutdown")) as service:
        yield service


@pytest.fixture
def patient_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that waits for the rest of a body as long as a busy machine takes."""
    with running_service(tmp_path_factory.mktemp("shutdown"), read_seconds=LONGEST_READ_SECONDS) as service:
        yield service


def _waited_in_vain(service: RunningService) -> bool:
    """Whether it has waited for a connection until the shutdown time was over."""
    service.log(event="stopped")
    return bool([line for line in service.logs if EXCEEDED in line["event"]])


def test_uvicorn_logs_that_it_has_waited_in_vain() -> None:
    assert EXCEEDED in inspect.getsource(uvicorn.Server.shutdown)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_with_code_0(own_service: RunningService, number: signal.Signals) -> None:
    is_answered(own_service)
    own_service.process.send_signal(number)
    assert own_service.process.wait(LATE_SECONDS) == 0
    assert not _waited_in_vain(own_service)
    assert [line["event"] for line in own_service.logs][-2:] == ["stopping", "stopped"]
    assert own_service.stderr == ""


def test_a_request_that_is_on_its_way_is_answered_and_its_connection_closed(patient_service: RunningService) -> None:
    review = injected_review()
    with patient_service.tls() as stream:
        stream.sendall(request_bytes(review)[:-1])
        assert eventually(lambda: patient_service.metric("requests_in_flight") == 1)
        patient_service.process.send_signal(signal.SIGTERM)
        patient_service.log(event="stopping")
        assert eventually(lambda: _refuses(patient_service.port)), "nobody new is let in"
        stream.sendall(review[-1:])
        reply = read_reply(stream)
        verify(review, reply.body)
        assert reply.headers["connection"] == "close"
        assert read_to_end(stream) == b""
    assert patient_service.process.wait(LATE_SECONDS) == 0


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_idle_connections_are_announced_and_closed(own_service: RunningService) -> None:
    clients = []
    for _ in range(20):
        clients.append(own_service.connect())
        assert send(clients[-1], injected_review()).status == 200
    own_service.process.send_signal(signal.SIGTERM)
    for client in clients:
        assert isinstance(client.sock, socket.socket)
        assert client.sock.recv(1) == b""
        client.close()
    assert own_service.process.wait(LATE_SECONDS) == 0
    assert not _waited_in_vain(own_service)


def test_clients_that_neither_speak_nor_close_cannot_hold_it_beyond_its_time(own_service: RunningService) -> None:
    idle = own_service.connect()
    send(idle, injected_review())
    with own_service.tls() as silent, own_service.tls() as slow, own_service.tcp() as unshaken:
        slow.sendall(request_bytes(injected_review())[:-1])
        own_service.process.send_signal(signal.SIGTERM)
        assert own_service.process.wait(LATE_SECONDS) == 0
        assert all(stream.fileno() > 0 for stream in (silent, unshaken)), "they stayed open to the end"
    idle.close()
    assert not [line for line in own_service.logs if "traceback" in line]


def test_a_second_signal_does_no_harm(patient_service: RunningService) -> None:
    with patient_service.tls() as stream:
        review = injected_review()
        stream.sendall(request_bytes(review)[:-1])
        assert eventually(lambda: patient_service.metric("requests_in_flight") == 1)
        for _ in range(2):
            patient_service.process.send_signal(signal.SIGTERM)
            patient_service.log(event="stopping")
        stream.sendall(review[-1:])
        verify(review, read_reply(stream).body)
    assert patient_service.process.wait(LATE_SECONDS) == 0
