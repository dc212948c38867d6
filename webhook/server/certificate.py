"""A serving certificate in two files, and its replacement while connections are open.

A new pair must never be loaded into an `ssl.SSLContext` that serves: where certificate and key do not belong together (a mounted Secret
in the middle of its update), `load_cert_chain` raises *and* leaves the context unable to shake hands. So a new pair is loaded into a
context of its own, which takes over new handshakes only if that succeeded. Open connections keep the context they began with.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from pathlib import Path

# For TLS 1.2: only suites with forward secrecy and authenticated encryption. TLS 1.3 has no others.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"

GROUP: Final = "prime256v1"
"""The only group for the key exchange. By default OpenSSL takes whichever the client offers, and computes 120 ms for ffdhe8192. Every Go
client supports this one, with FIPS 140 as well. One that offers a share for another has to send a second ClientHello: one more round trip
for each new connection."""


class CertificateError(Exception):
    """The certificate cannot be served. The message names the file or the setting, and the problem."""


class ReloadResult(StrEnum):
    """What a reload of the files found."""

    UNCHANGED = "unchanged"
    LOADED = "loaded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """A certificate and key that were loaded successfully.

    Args:
        files: The bytes of both files.
        context: The context that they are loaded into.
        not_after: When the leaf expires, as a Unix time in seconds.

    """

    files: tuple[bytes, bytes]
    context: ssl.SSLContext
    not_after: float


class ReloadableCertificate:
    """A certificate and its key in two PEM files that somebody else replaces."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Load the files.

        Raises:
            CertificateError: They cannot be served.

        """
        self._paths = (certificate, private_key)
        self._loaded = self._load()
        self._seen: tuple[bytes, bytes] | None = self._loaded.files
        self.problem = ""

    @property
    def not_after(self) -> float:
        """When the certificate in use expires, as a Unix time in seconds."""
        return self._loaded.not_after

    def context(self) -> ssl.SSLContext:
        """The context for the next handshake, with or without a server name."""
        return self._loaded.context

    def reload(self) -> ReloadResult:
        """Read the files again. Serve a changed pair if it can be loaded; otherwise keep the old one and set ``problem``.

        A refused pair is not loaded again before the files change. Files that change while they are read are read again by the next reload.
        """
        seen = _read_or_none(self._paths)
        if seen == self._seen:
            return ReloadResult.UNCHANGED
        self._seen = seen
        try:
            self._loaded = self._load()
        except CertificateError as error:
            self.problem = str(error)
            return ReloadResult.REFUSED
        self._seen, self.problem = self._loaded.files, ""
        return ReloadResult.LOADED

    def _load(self) -> LoadedCertificate:
        files = _read(self._paths)
        context = server_context()
        try:
            not_after = x509.load_pem_x509_certificate(files[0]).not_valid_after_utc.timestamp()
        # ValueError and InvalidVersion were seen; the library names no complete list.
        except Exception as error:
            message = f"{self._paths[0]}: does not contain a PEM certificate that can be read"
            raise CertificateError(message) from error
        try:
            # The empty password makes OpenSSL refuse a key with a passphrase; without one it would prompt on the terminal.
            context.load_cert_chain(*self._paths, password="")
        except (ssl.SSLError, ValueError, OSError) as error:
            message = f"{self._paths[1]}: is not the private key of {self._paths[0]}, in PEM and without a passphrase"
            raise CertificateError(message) from error
        if _read(self._paths) != files:
            message = f"{self._paths[0]} and {self._paths[1]}: changed while they were being read"
            raise CertificateError(message)
        return LoadedCertificate(files, context, not_after)


def server_context() -> ssl.SSLContext:
    """A new context without a certificate: TLS 1.2 or newer, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_ecdh_curve(GROUP)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _read(paths: tuple[Path, Path]) -> tuple[bytes, bytes]:
    try:
        return paths[0].read_bytes(), paths[1].read_bytes()
    except OSError as error:
        message = f"{error.filename}: cannot be read: {error.strerror} (settings certificate_file and private_key_file)"
        raise CertificateError(message) from error


def _read_or_none(paths: tuple[Path, Path]) -> tuple[bytes, bytes] | None:
    try:
        return _read(paths)
    except CertificateError:
        return None
