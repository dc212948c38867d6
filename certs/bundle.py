"""A caBundle: certificates as PEM, one after the other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from certs.pem import read_certificates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    Bundle = tuple[x509.Certificate, ...]

MAX_BUNDLE_BYTES: Final = 1024 * 1024
"""A longer caBundle is not read. What a replica writes has less than 64 KiB (`certs.keyring.MAX_AUTHORITIES`)."""

MAX_CERTIFICATES: Final = 256
"""Certificates after these are not read."""


def read_bundle(pem: bytes) -> Bundle:
    """The certificates in a caBundle, in order. Anybody may have written it: whatever is not a certificate is skipped."""
    return tuple(read_certificates(pem, MAX_CERTIFICATES)) if len(pem) <= MAX_BUNDLE_BYTES else ()


def write_bundle(bundle: Iterable[x509.Certificate]) -> bytes:
    """The caBundle with these certificates."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in bundle)
