"""Where the serving certificate comes from: `webhook.server.file_certificate_source`, `webhook.server.self_managed_certificate_source`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl


class CertificateSource(Protocol):
    """Provides the serving certificate and replaces it while the service runs."""

    def start(self) -> None:
        """Start following changes. Called in the running event loop."""

    def stop(self) -> None:
        """Stop following changes."""

    def context(self) -> ssl.SSLContext:
        """The context for the next handshake, with the newest certificate. Open connections keep theirs."""

    @property
    def unready_reason(self) -> str:
        """Why no API server should call this replica; "" where its certificate is fine."""
