"""Reads PEM that anybody may have written: in linear time, and whatever is unreadable is None or left out. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CERTIFICATE_BYTES: Final = 8 * 1024
"""A larger certificate is not read. One of this webhook's authorities has 700 bytes."""

MAX_KEY_BYTES: Final = 512
"""A larger key is not read: OpenSSL checks a large RSA key for seconds. A P-256 key has 241 bytes."""

_BEGIN: Final = b"\n-----BEGIN CERTIFICATE-----"
_END: Final = b"\n-----END CERTIFICATE-----"
_BODY: Final = re.compile(rb"\n[A-Za-z0-9+/=\n]+")


def read_certificates(pem: bytes, most: int) -> Iterator[x509.Certificate]:
    """The readable ones of the first ``most`` certificates.

    An API server skips a certificate that has headers, or other text on its BEGIN or END line, so this skips it too (Go's encoding/pem, and
    AppendCertsFromPEM of crypto/x509).
    """
    # One split and one search in each part. A regular expression over the whole text would search each part up to the end of the text.
    for part in (b"\n" + pem).split(_BEGIN, most)[1:]:
        body, _, rest = part.partition(_END)
        if rest[:1] in {b"", b"\n"} and _BODY.fullmatch(body) and (certificate := read_certificate(_BEGIN + body + _END)):
            yield certificate


def read_certificate(pem: bytes) -> x509.Certificate | None:
    """The certificate, if each of the parts that this package uses can be read; they are decoded only where they are read."""
    if len(pem) > MAX_CERTIFICATE_BYTES:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        _ = certificate.subject, certificate.issuer, certificate.serial_number, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except Exception:  # noqa: BLE001  ValueError, TypeError and UnsupportedAlgorithm were seen; the library names no complete list
        return None
    return certificate


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    """The key, if it is one of an elliptic curve and has no passphrase."""
    if len(pem) > MAX_KEY_BYTES:
        return None
    try:
        key = load_pem_private_key(pem, None)
    except Exception:  # noqa: BLE001  as above
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None
