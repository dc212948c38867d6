"""A keyring as a single value of a Secret, so that a certificate and its key always come from the same version. Pure.

JSON: a list, the oldest authority first, of ``{"certificate": PEM, "key": PEM or null, "trustedSince": ISO 8601 or null}``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Issued, can_sign
from certs.keyring import MAX_AUTHORITIES, Authority, Keyring
from certs.pem import read_certificate, read_key

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from certs.lifetimes import Lifetimes

MAX_KEYRING_BYTES: Final = 256 * 1024
"""A longer value is not read. MAX_AUTHORITIES authorities with their keys have less than 80 KiB."""


def write_keyring(keyring: Keyring) -> bytes:
    """The Secret's value for this keyring."""
    return json.dumps([_write(authority) for authority in keyring.authorities]).encode()


def read_keyring(value: bytes, lifetimes: Lifetimes) -> Keyring | None:
    """The keyring in a Secret's value; None where it holds none, whatever it holds instead.

    A key with which its certificate cannot sign counts as lost. Each authority is read once, and of too many the youngest MAX_AUTHORITIES.
    """
    if len(value) > MAX_KEYRING_BYTES:
        return None
    try:
        rows = json.loads(value)
        authorities = [_read(row) for row in rows[-MAX_AUTHORITIES:]] if isinstance(rows, list) else []
    except (ValueError, OverflowError, RecursionError):  # OverflowError: a time that UTC cannot express
        return None
    return Keyring(tuple({authority.certificate: authority for authority in authorities}.values()), lifetimes)


def _write(authority: Authority) -> dict[str, Any]:
    return {
        "certificate": authority.certificate.public_bytes(Encoding.PEM).decode(),
        "key": authority.issued and authority.issued.key_pem.decode(),
        "trustedSince": authority.trusted_since and authority.trusted_since.isoformat(),
    }


def _read(row: object) -> Authority:
    """The authority in this row. ValueError, which nobody sees: `read_keyring` returns None."""
    match row:
        case {"certificate": str() as pem, "key": str() | None as key, "trustedSince": str() | None as since}:
            certificate = read_certificate(pem.encode(errors="replace"))
            if certificate is None:
                raise ValueError
            return Authority(certificate, _read_key(key, certificate), None if since is None else _read_time(since))
        case _:
            raise ValueError


def _read_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)


def _read_key(pem: str | None, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey | None:
    key = None if pem is None else read_key(pem.encode(errors="replace"))
    return key if key is not None and can_sign(Issued(certificate, key)) else None
