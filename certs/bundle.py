"""A caBundle: certificates as PEM, one after the other. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Bundle = tuple[x509.Certificate, ...]

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def read_bundle(pem: bytes) -> Bundle:
    """The certificates in a caBundle, in order. Anybody may have written it: whatever is not a certificate is skipped."""
    return tuple(_readable(_CERTIFICATE.findall(pem)))


def write_bundle(bundle: Iterable[x509.Certificate]) -> bytes:
    """The caBundle with these certificates."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in bundle)


def _readable(blocks: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for block in blocks:
        try:
            yield x509.load_pem_x509_certificate(block)
        except ValueError:
            continue
