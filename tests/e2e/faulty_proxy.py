"""A reverse proxy before a real API server, in which requests of one user meet faults.

The client speaks HTTP to it, and it speaks TLS to the API server with that user's certificate. So a test decides which request meets which
fault, and reads which requests the API server has carried out.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests.support.kubeconfigs import kubeconfig_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level

END_OF_HEAD: Final = b"\r\n\r\n"
PART: Final = 65536
POLL_SECONDS: Final = 0.05
"""How soon the proxy notices that it is to end."""

CONNECT_SECONDS: Final = 10.0


@dataclass
class ProxyFault:
    """What requests meet.

    Args:
        method: Of the requests.
        path: A regular expression that their path and query contain.
        status: Of the response instead; 0: there is none, and the connection is closed.
        is_carried_out: Whether the API server gets the request all the same: then only the response is lost.
        times: How many requests meet it.

    """

    method: str
    path: str
    status: int = 0
    is_carried_out: bool = False
    times: int = 1

    def takes(self, method: str, path: str) -> bool:
        """Whether this request meets it, of which there is then one less to come."""
        if self.times == 0 or self.method != method or re.search(self.path, path) is None:
            return False
        self.times -= 1
        return True

    @property
    def response(self) -> bytes:
        """The response instead, as the API server words it."""
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.status, "message": "as the test says"})
        return f"HTTP/1.1 {self.status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@dataclass(frozen=True)
class CarriedOut:
    """A request that the API server has answered.

    Args:
        method: Its method.
        path: Its path, without the query.
        status: Of the response.

    """

    method: str
    path: str
    status: int


@dataclass
class FaultyProxy:
    """The proxy.

    Args:
        address: Of the API server.
        tls: As a user to the API server.
        faults: What requests meet; of several that match, the first.
        carried_out: The requests that the API server has answered.

    """

    address: tuple[str, int]
    tls: ssl.SSLContext
    faults: list[ProxyFault] = field(default_factory=list)
    carried_out: list[CarriedOut] = field(default_factory=list)
    _open: dict[socket.socket, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def succeeded(self, method: str, path: str) -> int:
        """How many requests of this method to this path the API server has accepted."""
        return sum((one.method, one.path, one.status // 100) == (method, path, 2) for one in self.carried_out)

    def cut(self, path: str) -> int:
        """Break off the responses that are under way to requests whose path and query contain this regular expression; how many."""
        with self._lock:
            found = [one for one, requested in self._open.items() if re.search(path, requested)]
        for one in found:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return len(found)

    def serve(self, client: socket.socket) -> None:
        """Answer one request."""
        head, body = _read_request(client)
        if not head:
            return
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        with self._lock:
            fault = next((one for one in self.faults if one.takes(method, path)), None)
        if fault is not None and not fault.is_carried_out:
            client.sendall(fault.response if fault.status else b"")
            return
        with socket.create_connection(self.address, CONNECT_SECONDS) as plain, self.tls.wrap_socket(plain) as server:
            server.settimeout(None)
            server.sendall(_closing(head) + body)
            self._pass_on(client, server, method, path, is_lost=fault is not None)

    def _pass_on(self, client: socket.socket, server: socket.socket, method: str, path: str, *, is_lost: bool) -> None:
        with self._lock:
            self._open[client] = path
        threading.Thread(target=_copy, args=(client, server), daemon=True).start()
        try:
            first = server.recv(PART)
            if first:
                status = int(first.split(b" ", 2)[1])
                self.carried_out.append(CarriedOut(method, urlsplit(path).path, status))
            while first and not is_lost:
                client.sendall(first)
                first = server.recv(PART)
        finally:
            with self._lock:
                del self._open[client]


class _FaultyServer(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, proxy: FaultyProxy) -> None:
        super().__init__(("127.0.0.1", 0), _FaultyHandler)
        self.proxy = proxy

    def handle_error(self, *_: object) -> None:
        """A side that breaks off is what this is for."""


class _FaultyHandler(BaseRequestHandler):
    server: _FaultyServer

    def handle(self) -> None:
        self.server.proxy.serve(self.request)


def _read_request(client: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of a request; empty: there is none."""
    received = b""
    while END_OF_HEAD not in received:
        part = client.recv(PART)
        if not part:
            return b"", b""
        received += part
    head, _, body = received.partition(END_OF_HEAD)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length is not None and len(body) < int(length[1]):
        part = client.recv(PART)
        if not part:
            return b"", b""
        body += part
    return head, body


def _closing(head: bytes) -> bytes:
    """The head of a request after whose response the API server closes the connection, unless it becomes a WebSocket."""
    is_upgrade = re.search(rb"(?i)\r\nupgrade:", head) is not None
    return head + (b"" if is_upgrade else b"\r\nConnection: close") + END_OF_HEAD


def _copy(client: socket.socket, server: socket.socket) -> None:
    """Pass on what a WebSocket's client sends, and end the connection to the API server when the client's ends."""
    with suppress(OSError):
        while part := client.recv(PART):
            server.sendall(part)
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_proxy(level: Level, user: str) -> Iterator[tuple[FaultyProxy, Path]]:
    """A proxy for this user, and a kubeconfig that leads through it."""
    files = level.server.credentials
    tls = ssl.create_default_context(cafile=str(files.authority_file))
    tls.load_cert_chain(files.certificate_file(user), files.key_file(user))
    tls.check_hostname = False
    server = urlsplit(level.server.server)
    assert server.hostname
    assert server.port
    proxy = FaultyProxy((server.hostname, server.port), tls)
    listening = _FaultyServer(proxy)
    threading.Thread(target=listening.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    kubeconfig = files.folder / f"{user.rpartition(':')[2]}-through-a-proxy.kubeconfig"
    kubeconfig.write_text(kubeconfig_for(f"http://127.0.0.1:{listening.server_address[1]}", "here"), "utf-8")
    try:
        yield proxy, kubeconfig
    finally:
        listening.shutdown()
        listening.server_close()
