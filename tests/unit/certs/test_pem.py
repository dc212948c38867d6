"""PEM that anybody may have written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.authority import make_authority
from certs.pem import MAX_CERTIFICATE_BYTES, MAX_KEY_BYTES, read_certificate, read_certificates, read_key
from tests.support.odd_certificates import SWAPS, pem_of

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = make_authority(NOW), make_authority(NOW)
DER: Final = ONE.certificate.public_bytes(Encoding.DER)
UNREADABLE_PARTS: Final = SWAPS[:3] + SWAPS[4:5]
"""Name, curve, kind of key, date. An algorithm of signatures is not read, and a name may have any type of string."""


def test_a_certificate_and_a_key_are_read_up_to_their_bounds() -> None:
    largest, largest_key = ONE.certificate_pem.ljust(MAX_CERTIFICATE_BYTES, b"\n"), ONE.key_pem.ljust(MAX_KEY_BYTES, b"\n")
    key = read_key(largest_key)

    assert read_certificate(largest) == ONE.certificate
    assert read_certificate(largest + b"\n") is None
    assert key is not None
    assert key.private_numbers() == ONE.key.private_numbers()
    assert read_key(largest_key + b"\n") is None


def test_of_too_many_certificates_the_first_ones_are_read() -> None:
    assert list(read_certificates(ONE.certificate_pem + TWO.certificate_pem, 1)) == [ONE.certificate]


@pytest.mark.parametrize(("part", "unreadable"), UNREADABLE_PARTS)
def test_a_certificate_with_a_part_that_cannot_be_read_is_not_read(part: bytes, unreadable: bytes) -> None:
    assert part in DER
    assert read_certificate(pem_of(DER.replace(part, unreadable, 1))) is None


def test_a_certificate_of_the_year_0_is_not_read() -> None:
    """X.509 can write this year, and Python cannot."""
    der = make_authority(datetime(2060, 3, 1, 12, tzinfo=UTC)).certificate.public_bytes(Encoding.DER)

    assert read_certificate(pem_of(der)) is not None
    assert read_certificate(pem_of(der.replace(b"20600301", b"00000301", 1))) is None


def test_a_key_that_is_not_of_an_elliptic_curve_is_not_read() -> None:
    key = ed25519.Ed25519PrivateKey.generate()

    assert read_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())) is None
