"""The certificate authority."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.authority import (
    BACKDATED,
    CA_LIFE,
    LEAF_LIFE,
    RENEWAL,
    RENEWAL_JITTER,
    Issued,
    can_sign,
    is_own_authority,
    is_valid_at,
    make_authority,
    renewal_time,
    service_names,
    sign_leaf,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = service_names("airflow-sidecar-webhook", "infra")


AUTHORITY = make_authority(NOW)


def verify(leaf: Issued, authority: Issued, name: str, at: datetime) -> None:
    """Verify as a TLS client would; raises VerificationError."""
    store = Store([authority.certificate])
    PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(name)).verify(leaf.certificate, [])


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_is_valid_for_every_name_of_its_service(name: str) -> None:
    authority = make_authority(NOW)

    verify(sign_leaf(authority, NAMES, NOW), authority, name, NOW)


def test_a_leaf_of_another_authority_is_not_trusted() -> None:
    with pytest.raises(VerificationError):
        verify(sign_leaf(make_authority(NOW), NAMES, NOW), make_authority(NOW), NAMES[0], NOW)


def test_a_leaf_holds_from_an_hour_before_it_is_made_for_its_life_and_no_longer() -> None:
    authority = make_authority(NOW)
    leaf = sign_leaf(authority, NAMES, NOW)

    verify(leaf, authority, NAMES[0], NOW - BACKDATED)
    verify(leaf, authority, NAMES[0], NOW + LEAF_LIFE)
    with pytest.raises(VerificationError):
        verify(leaf, authority, NAMES[0], NOW + LEAF_LIFE + timedelta(seconds=1))


def test_a_leaf_never_outlives_its_authority() -> None:
    authority = make_authority(NOW)
    late = NOW + CA_LIFE - timedelta(days=1)

    assert sign_leaf(authority, NAMES, late).certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_two_authorities_differ_in_name_serial_and_key_identifier() -> None:
    one, other = (make_authority(NOW).certificate for _ in range(2))
    identifiers = [authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value for authority in (one, other)]

    assert one.subject != other.subject
    assert one.serial_number != other.serial_number
    assert identifiers[0] != identifiers[1]


def test_an_authority_can_sign() -> None:
    assert can_sign(AUTHORITY)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(Issued(AUTHORITY.certificate, make_authority(NOW).key), id="a key of another certificate"),
        pytest.param(sign_leaf(AUTHORITY, NAMES, NOW), id="a leaf"),
        pytest.param(make_authority(datetime.max.replace(microsecond=0, tzinfo=UTC), life=timedelta()), id="at the end of time"),
    ],
)
def test_what_no_verifier_accepts_leaves_of_cannot_sign(pair: Issued) -> None:
    assert not can_sign(pair)


@pytest.mark.parametrize(
    "limits",
    [x509.NameConstraints([x509.DNSName("probe.svc")], None), x509.NameConstraints(None, [x509.DNSName(NAMES[0])])],
    ids=["to the name with which this is tried", "to all but the service's"],
)
def test_an_authority_that_is_limited_to_some_names_cannot_sign(limits: x509.NameConstraints) -> None:
    own, key = AUTHORITY.certificate, AUTHORITY.key
    builder = x509.CertificateBuilder(
        own.issuer, own.subject, key.public_key(), own.serial_number, own.not_valid_before_utc, own.not_valid_after_utc
    )
    for extension in own.extensions:
        builder = builder.add_extension(extension.value, extension.critical)

    assert can_sign(Issued(builder.sign(key, hashes.SHA256()), key))
    assert not can_sign(Issued(builder.add_extension(limits, critical=True).sign(key, hashes.SHA256()), key))


def test_the_leaf_is_for_servers_alone_with_an_elliptic_key() -> None:
    leaf = sign_leaf(make_authority(NOW), NAMES, NOW)
    usage = leaf.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(leaf.key.curve, ec.SECP256R1)
    assert not leaf.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_extensions_of_a_leaf_are_those_of_a_serving_certificate() -> None:
    extensions = {one.oid: one for one in sign_leaf(AUTHORITY, NAMES, NOW).certificate.extensions}
    usage = extensions[ExtensionOID.KEY_USAGE].value

    assert {oid for oid, one in extensions.items() if one.critical} == {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}
    assert usage == x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def test_a_leaf_has_each_of_its_addresses_as_an_address_and_each_other_name_as_a_dns_name() -> None:
    leaf = sign_leaf(AUTHORITY, ["localhost", "127.0.0.1", "::1"], NOW).certificate
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_a_leaf_of_a_name_that_is_too_long_for_a_subject_has_the_whole_name_as_a_dns_name() -> None:
    """A common name has at most 64 characters (ub-common-name of RFC 5280)."""
    name = f"{'service' * 5}.{'namespace' * 5}.svc"
    leaf = sign_leaf(AUTHORITY, [name], NOW)

    verify(leaf, AUTHORITY, name, NOW)
    assert [one.value for one in leaf.certificate.subject] == [name[:64]]


def test_a_certificate_is_valid_from_its_first_second_to_its_last() -> None:
    certificate = AUTHORITY.certificate
    first, last, second = certificate.not_valid_before_utc, certificate.not_valid_after_utc, timedelta(seconds=1)

    assert [is_valid_at(certificate, time) for time in (first - second, first, last, last + second)] == [False, True, True, False]


def test_openssl_takes_the_pair(tmp_path: Path) -> None:
    leaf = sign_leaf(make_authority(NOW), ["localhost", "127.0.0.1", "::1"], NOW)
    (tmp_path / "tls.crt").write_bytes(leaf.certificate_pem)
    (tmp_path / "tls.key").write_bytes(leaf.key_pem)

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_a_key_is_never_shown() -> None:
    assert "key" not in repr(make_authority(NOW))


def test_a_certificate_is_renewed_at_two_thirds_of_its_life_or_a_little_sooner() -> None:
    parts = [(renewal_time(make_authority(NOW).certificate) - NOW) / CA_LIFE for _ in range(20)]

    assert all(RENEWAL - RENEWAL_JITTER < part <= RENEWAL for part in parts)
    assert len(set(parts)) > 1


def test_the_hour_before_it_was_made_is_no_part_of_its_life() -> None:
    life = timedelta(minutes=3)

    assert renewal_time(make_authority(NOW, life=life).certificate) > NOW + life / 2
    assert life < BACKDATED


def test_the_webhooks_own_authorities_are_recognised_by_their_name() -> None:
    leaf = sign_leaf(AUTHORITY, ["airflow-sidecar-webhook CA 1"], NOW)

    assert is_own_authority(AUTHORITY.certificate)
    assert not is_own_authority(make_authority(NOW, "stranger").certificate)
    assert not is_own_authority(leaf.certificate)


def test_serial_numbers_are_random_and_long() -> None:
    serials = [sign_leaf(AUTHORITY, ["a"], NOW).certificate.serial_number for _ in range(20)]

    assert len(set(serials)) == 20
    assert max(serials).bit_length() > 128
