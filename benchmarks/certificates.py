"""A serving certificate for 127.0.0.1, of the kind a cluster has: ECDSA P-256, signed by a CA."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

LIFETIME: Final = dt.timedelta(days=1)


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files that a server and its client read."""

    authority: Path
    certificate: Path
    private_key: Path


def write_certificates(directory: Path) -> CertificateFiles:
    """Write `ca.crt`, `tls.crt` and `tls.key` for 127.0.0.1 into a directory, return their paths.

    The names are those of a Secret of type kubernetes.io/tls.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = authority_certificate(authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = serving_certificate(key.public_key(), authority, authority_key)
    files = CertificateFiles(directory / "ca.crt", directory / "tls.crt", directory / "tls.key")
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files.private_key.write_bytes(private_pem(key))
    return files


def authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a self-signed CA certificate."""
    name = common_name("benchmark CA")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return unsigned(name, name, key.public_key()).add_extension(constraints, critical=True).sign(key, hashes.SHA256())


def serving_certificate(
    key: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return a leaf for 127.0.0.1."""
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        unsigned(common_name("benchmark"), authority.subject, key)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(usage, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Return what a CA and a leaf have in common."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
    )


def common_name(name: str) -> x509.Name:
    """Return a distinguished name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
