"""An API server that misbehaves: a listening socket that answers one connection with the given bytes, or never."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kubernetes.client import Configuration

from webhook.kube.client import KubernetesClient

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""

DATE: Final = b"Date: Sun, 01 Mar 2026 12:00:00 GMT\r\n"


def reply(body: bytes, headers: bytes = DATE, status: bytes = b"200 OK") -> bytes:
    """An HTTP response."""
    return b"HTTP/1.1 %b\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body)


@contextmanager
def answering(answer: bytes | None) -> Iterator[tuple[KubernetesClient, list[bytes]]]:
    """A client of that server, and the requests that it received; None: they are never answered."""
    requests: list[bytes] = []
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                requests.append(_received(taken))
                if answer is None:
                    ended.wait(SECONDS)
                else:
                    taken.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield client_of(server.getsockname()[1]), requests
        finally:
            ended.set()
            thread.join(SECONDS)


def client_of(port: int) -> KubernetesClient:
    """A client of whatever listens on this port, without TLS or credentials."""
    return KubernetesClient(Configuration(host=f"http://127.0.0.1:{port}"))


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, reserved until the block ends."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _received(connection: socket.socket) -> bytes:
    """One request, to the end of its body."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _length(data):
        data += connection.recv(65536)
    return data


def _length(data: bytes) -> int:
    found = re.search(rb"Content-Length: (\d+)", data)
    return int(found[1]) if found else 0
