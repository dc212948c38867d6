"""What an attacker and an honest client know of the service: its address, its ports and its authority."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.service.running_service import NAMES

if TYPE_CHECKING:
    from tests.service.running_service import RunningService


@dataclass(frozen=True, slots=True)
class Target:
    """A service on 127.0.0.1.

    Args:
        port: The TLS port.
        health_port: The plain port.
        authority: The PEM of the authority that signed its certificate.
        name: A name that its certificate holds for.

    """

    port: int
    health_port: int
    authority: str
    name: str = NAMES[0]

    @classmethod
    def of(cls, service: RunningService) -> Target:
        """A service of the tests, which listens."""
        return cls(service.port, service.health_port, service.certificates.authority.certificate_pem.decode())

    def tcp(self, source: str, *, seconds: float = 10.0) -> socket.socket:
        """A connection to the TLS port, without a handshake, from this loopback address; ``seconds`` bounds each call on it."""
        return _connect(self.port, source, seconds)

    def plain(self, source: str, *, seconds: float = 10.0) -> socket.socket:
        """A connection to the health port."""
        return _connect(self.health_port, source, seconds)

    def tls(self, source: str, *, seconds: float = 10.0, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A connection to the TLS port after its handshake; a given context saves reading the authority."""
        return (context or self.context()).wrap_socket(self.tcp(source, seconds=seconds), server_hostname=self.name)

    def context(self) -> ssl.SSLContext:
        """A client context that trusts the authority alone."""
        return ssl.create_default_context(cadata=self.authority)


def _connect(port: int, source: str, seconds: float) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds, source_address=(source, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
