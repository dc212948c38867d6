"""Fakes of a kubelet for what an API server connects to: one that never answers, and one that records its requests.

They show what reaches a node, and nothing about what a real kubelet does with it.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from tests.e2e.api_server.nodes import remove_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.credentials import Credentials
    from testbed.levels import Level

ADDRESS: Final = "127.0.0.1"
CERTIFICATE: Final = "fake-kubelet"
PART: Final = 65536

_numbers: Final = itertools.count()


class FakeKubelet(Protocol):
    """A kubelet, by what it does with a connection."""

    node: str

    def take(self, connection: socket.socket) -> None:
        """Take a connection of the API server's."""

    def end(self) -> None:
        """Close what is open."""


AnyKubelet = TypeVar("AnyKubelet", bound=FakeKubelet)


@dataclass
class SilentKubelet:
    """It accepts connections and never answers, as behind a network policy or a firewall that lets nothing through.

    Args:
        node: The name of its node.
        connections: Those that it has accepted.

    """

    node: str = ""
    connections: list[socket.socket] = field(default_factory=list)

    def take(self, connection: socket.socket) -> None:
        """Keep it open."""
        self.connections.append(connection)

    def end(self) -> None:
        """Close the connections."""
        for connection in self.connections:
            connection.close()


@dataclass
class RecordingKubelet:
    """It records the first line of each request, and closes the connection.

    Args:
        credentials: The cluster's; they sign its certificate.
        node: The name of its node.
        requests: Method and path of each request.

    """

    credentials: Credentials
    node: str = ""
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.credentials.server(CERTIFICATE, [ADDRESS])
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.credentials.certificate_file(CERTIFICATE), self.credentials.key_file(CERTIFICATE))

    def take(self, connection: socket.socket) -> None:
        """Read one request."""
        with suppress(OSError), self._tls.wrap_socket(connection, server_side=True) as request:
            line = request.recv(PART).partition(b"\r\n")[0].decode()
            self.requests.append(line.rpartition(" ")[0])

    def end(self) -> None:
        """Nothing is open."""


@contextmanager
def node_of(kubelet: AnyKubelet, level: Level) -> Iterator[AnyKubelet]:
    """The node of a fake kubelet, for one test."""
    kubelet.node = f"fake-{next(_numbers)}"
    with socket.create_server((ADDRESS, 0)) as server:
        accepting = threading.Thread(target=_accept, args=(server, kubelet), daemon=True)
        accepting.start()
        status = {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": server.getsockname()[1]}},
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
        }
        level.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": kubelet.node}, "status": status})
        try:
            yield kubelet
        finally:
            remove_node(level.api, kubelet.node)
            # Ends the thread that accepts.
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            kubelet.end()


def _accept(server: socket.socket, kubelet: FakeKubelet) -> None:
    with suppress(OSError):
        while True:
            kubelet.take(server.accept()[0])
