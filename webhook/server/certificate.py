"""The serving certificate: from two files, replaced while connections live.

A live `ssl.SSLContext` must never be given a new pair: where certificate and key do not belong together (a mount caught in the middle
of its update), `load_cert_chain` raises *and* leaves the context unable to shake hands. So a new pair is proved on a context of its
own, and only then takes over new handshakes; open connections keep the context they began with.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from pathlib import Path

# TLS 1.2 with forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class CertificateError(Exception):
    """A certificate that cannot be served. The message names the file or setting and what is wrong."""


class Reload(StrEnum):
    """What a look at the files came to."""

    UNCHANGED = "unchanged"
    LOADED = "loaded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A pair that was proved.

    Args:
        files: The bytes it was read from.
        context: The context that serves it.
        not_after: When the leaf expires, as a Unix time in seconds.

    """

    files: tuple[bytes, bytes]
    context: ssl.SSLContext
    not_after: float


class CertificateFiles:
    """A certificate and its key in two PEM files that someone else replaces."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Load the pair.

        Raises:
            CertificateError: It cannot be served.

        """
        self._paths = (certificate, private_key)
        self._pair = self._load()
        self._seen: tuple[bytes, bytes] | None = self._pair.files
        self.problem = ""

    @property
    def not_after(self) -> float:
        """When the certificate in use expires, as a Unix time in seconds."""
        return self._pair.not_after

    def context(self) -> ssl.SSLContext:
        """The context for the listener: every handshake goes on in that of the newest pair, with or without a server name."""

        def newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._pair.context

        context = self._pair.context
        context.sni_callback = newest
        return context

    def reload(self) -> Reload:
        """Look at the files; take a changed pair over when it is sound, else go on with the old one and say why in ``problem``.

        What was refused is not looked at again before it changes; what changed under the look is looked at again.
        """
        seen = _read_or_none(self._paths)
        if seen == self._seen:
            return Reload.UNCHANGED
        self._seen = seen
        try:
            self._pair = self._load()
        except CertificateError as error:
            self.problem = str(error)
            return Reload.REFUSED
        self._seen, self.problem = self._pair.files, ""
        return Reload.LOADED

    def _load(self) -> CertificatePair:
        files = _read(self._paths)
        context = server_context()
        try:
            leaf = x509.load_pem_x509_certificate(files[0])
        except ValueError as error:
            message = f"{self._paths[0]}: holds no certificate in PEM"
            raise CertificateError(message) from error
        try:
            # A key with a passphrase is refused: with no password given, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(*self._paths, password="")
        except (ssl.SSLError, ValueError, OSError) as error:
            message = f"{self._paths[1]}: is not the private key of {self._paths[0]}, in PEM and without a passphrase"
            raise CertificateError(message) from error
        if _read(self._paths) != files:
            message = f"{self._paths[0]} and {self._paths[1]}: changed while they were read"
            raise CertificateError(message)
        return CertificatePair(files, context, leaf.not_valid_after_utc.timestamp())


def server_context() -> ssl.SSLContext:
    """A context without a certificate yet: TLS 1.2 or newer, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
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
