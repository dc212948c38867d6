"""Certificates and keys that no version of this project makes, and that somebody may put into a Secret or a caBundle (Hypothesis)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import hypothesis.strategies as st
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certs.authority import NAME
from tests.support.fake_cluster import START

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

KEYS: Final[tuple[CertificateIssuerPrivateKeyTypes, ...]] = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP521R1()),
    ec.generate_private_key(ec.SECP256K1()),
    ed25519.Ed25519PrivateKey.generate(),
    ed448.Ed448PrivateKey.generate(),
    rsa.generate_private_key(65537, 1024),  # noqa: S505  nobody relies on it
)
DATES: Final = (
    datetime(1950, 1, 1, tzinfo=UTC),
    START - timedelta(days=30),
    START + timedelta(days=1),
    START + timedelta(days=400),
    datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 30, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
)
OWN_NAME: Final = f"{NAME} CA 1"
EXTENSIONS: Final[tuple[x509.ExtensionType, ...]] = (
    x509.BasicConstraints(ca=True, path_length=None),
    x509.BasicConstraints(ca=False, path_length=None),
    x509.NameConstraints([x509.DNSName("elsewhere.example")], None),
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
)
SWAPS: Final = (
    (b"airflow-sidecar", b"\xff\xfe\xfdflow-sidecar"),  # a name that is not UTF-8
    (bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03010f")),  # a curve that nobody knows
    (bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d020f")),  # a kind of key that nobody knows
    (bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04030f")),  # an algorithm of signatures that nobody knows
    (b"\x17\r26", b"\x17\r2Z"),  # a date that is none
    (b"\x0c", b"\x1e"),  # a name of another type of string
)
"""Of bytes, for others of the same length."""

_SOON_AND_LATE: Final = st.lists(st.sampled_from(DATES), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def odd_pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A certificate and its key as PEM."""
    key = draw(st.sampled_from(KEYS))
    before, after = draw(_SOON_AND_LATE)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, draw(st.sampled_from([OWN_NAME, "stranger"])))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(draw(st.integers(1, 1 << 150))).not_valid_before(before).not_valid_after(after)
    for extension in draw(st.lists(st.sampled_from(EXTENSIONS), max_size=2, unique_by=lambda one: one.oid)):
        builder = builder.add_extension(extension, critical=True)
    is_modern = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    certificate = builder.sign(key, None if is_modern else hashes.SHA256())
    old, new = draw(st.just((b"", b"")) | st.sampled_from(SWAPS))
    der = certificate.public_bytes(Encoding.DER).replace(old, new, 1)
    return pem_of(draw(flipped(der))), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def flipped(whole: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes, often with a few changed. What is drawn does not depend on their number, which differs from run to run."""

    def change(changes: list[tuple[int, int]]) -> bytes:
        changed = bytearray(whole)
        for place, value in changes:
            changed[place % len(whole)] = value
        return bytes(changed)

    return st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=3).map(change)


def pem_of(der: bytes) -> bytes:
    """A certificate as PEM, valid or not."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
