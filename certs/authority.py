"""Makes a certificate authority and signs serving certificates with it. Pure: the time is an argument.

The API server checks a webhook's certificate by its SAN alone, ``<service>.<namespace>.svc`` (apiserver pkg/util/webhook/client.go);
ECDSA P-256 signs some fifteen times faster than RSA-2048, and every new connection costs a signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKDATED: Final = timedelta(hours=1)
"""A certificate is valid from this long before it is made: the API server's clock may be behind the webhook's."""

CA_LIFE: Final = timedelta(days=365)
LEAF_LIFE: Final = timedelta(days=7)

RENEWAL: Final = 2 / 3
"""The fraction of its life after which a certificate is renewed at the latest."""

RENEWAL_JITTER: Final = 1 / 20
"""The fraction of its life by which it is renewed earlier at most, so that not all replicas sign in the same second."""

NAME: Final = "airflow-sidecar-webhook"
_TITLE: Final = "{} CA "
_PROBE: Final = "probe.svc"

_OTHER_USES: Final = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
)
_SIGNS_CERTIFICATES: Final = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_OTHER_USES)
_SIGNS_HANDSHAKES: Final = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_OTHER_USES)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key.

    Args:
        certificate: The certificate.
        key: Its private key; left out of the repr.

    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM (PKCS #8)."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(now: datetime, name: str = NAME, life: timedelta = CA_LIFE) -> Issued:
    """A new authority, valid from an hour before ``now`` and by default for a year. ``now`` needs a time zone.

    Its name contains its serial number, so that a client picks the right one of two authorities in one bundle.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    title = f"{_TITLE.format(name)}{serial:x}"[:64]
    return Issued(_authority_certificate(key, title, serial, now - BACKDATED, now + life), key)


def _authority_certificate(key: ec.EllipticCurvePrivateKey, title: str, serial: int, since: datetime, until: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = _builder(subject, subject, key, serial).not_valid_before(since).not_valid_after(until)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def sign_leaf(authority: Issued, names: Sequence[str], now: datetime, life: timedelta = LEAF_LIFE) -> Issued:
    """A serving certificate for these DNS names or IP addresses. It does not outlive its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    until = min(now + life, authority.certificate.not_valid_after_utc)
    builder = _builder(subject, authority.certificate.subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(now - BACKDATED).not_valid_after(until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_SIGNS_HANDSHAKES, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def can_sign(authority: Issued) -> bool:
    """Whether a verifier that trusts the certificate accepts a leaf that is signed with the key.

    Anybody may have written both. The key may belong to another certificate, and the certificate may be no authority, be limited to other
    names, or have a key that no API server accepts. So a leaf is signed and verified, and the certificate must have the form of one that
    `make_authority` makes: API servers do not verify as this library does, and not the name of the leaf that is signed here.
    """
    try:
        if not _has_own_form(authority):
            return False
        made = authority.certificate.not_valid_before_utc + BACKDATED
        verifier = PolicyBuilder().store(Store([authority.certificate])).time(made).build_server_verifier(x509.DNSName(_PROBE))
        verifier.verify(sign_leaf(authority, (_PROBE,), made).certificate, [])
    except Exception:  # noqa: BLE001  VerificationError, ValueError, OverflowError and UnsupportedAlgorithm were seen
        return False
    return True


def _has_own_form(authority: Issued) -> bool:
    """Whether the certificate, made again with the key, is the same but for its signature."""
    certificate = authority.certificate
    (title,) = certificate.subject
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    again = _authority_certificate(authority.key, str(title.value), certificate.serial_number, since, until)
    return isinstance(authority.key.curve, ec.SECP256R1) and again.tbs_certificate_bytes == certificate.tbs_certificate_bytes


def renewal_time(certificate: x509.Certificate) -> datetime:
    """When a certificate is to be renewed: at two thirds of its life, or earlier by a jitter taken from its random serial number."""
    made = certificate.not_valid_before_utc + BACKDATED
    sooner = RENEWAL_JITTER * (certificate.serial_number % 1000) / 1000
    return made + (certificate.not_valid_after_utc - made) * (RENEWAL - sooner)


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether ``now`` is within the certificate's validity."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def is_own_authority(certificate: x509.Certificate, name: str = NAME) -> bool:
    """Whether `make_authority` made it under this name. Others can make such a name too, so nothing is trusted because of it."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return certificate.subject == certificate.issuer and any(str(one.value).startswith(_TITLE.format(name)) for one in names)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The DNS names of a Service inside its cluster."""
    return (f"{service}.{namespace}.svc", service, f"{service}.{namespace}", f"{service}.{namespace}.svc.cluster.local")


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int) -> x509.CertificateBuilder:
    return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(serial)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
