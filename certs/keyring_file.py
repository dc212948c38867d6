"""A keyring as a single value of a Secret, so that a certificate and its key always come from the same version. Pure.

JSON: a list, the oldest authority first, of ``{"certificate": PEM, "key": PEM or null, "trustedSince": ISO 8601 or null}``.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.keyring import Authority, Keyring

if TYPE_CHECKING:
    from certs.lifetimes import Lifetimes


def write_keyring(keyring: Keyring) -> bytes:
    """The Secret's value for this keyring."""
    return json.dumps([_write(authority) for authority in keyring.authorities]).encode()


def read_keyring(value: bytes, lifetimes: Lifetimes) -> Keyring | None:
    """The keyring in a Secret's value; None where it holds none. A key that does not belong to its certificate counts as lost."""
    try:
        return Keyring(tuple(_read(one) for one in json.loads(value)), lifetimes)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(authority: Authority) -> dict[str, Any]:
    return {
        "certificate": authority.certificate.public_bytes(Encoding.PEM).decode(),
        "key": authority.issued and authority.issued.key_pem.decode(),
        "trustedSince": authority.trusted_since and authority.trusted_since.isoformat(),
    }


def _read(one: dict[str, Any]) -> Authority:
    certificate = x509.load_pem_x509_certificate(one["certificate"].encode())
    since = one["trustedSince"]
    return Authority(certificate, _read_key(one["key"], certificate), since and _read_time(since))


def _read_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        message = "the time has no time zone"
        raise ValueError(message)
    return time


def _read_key(text: str | None, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey | None:
    if text is None:
        return None
    key = load_pem_private_key(text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return key
