"""A caBundle, valid and broken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import hypothesis.strategies as st
from hypothesis import given

from certs.authority import make_authority
from certs.bundle import read_bundle, write_bundle

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


ONE, TWO = make_authority(NOW), make_authority(NOW)


def test_a_bundle_is_read_past_what_is_no_certificate() -> None:
    pem = (
        b"# a comment\n"
        + ONE.certificate_pem
        + ONE.key_pem
        + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        + TWO.certificate_pem
    )

    assert read_bundle(pem) == (ONE.certificate, TWO.certificate)


@given(st.binary())
def test_no_bytes_break_the_reader_of_bundles(pem: bytes) -> None:
    assert read_bundle(pem) == ()


def test_a_bundle_is_read_as_it_was_written() -> None:
    assert read_bundle(write_bundle((ONE.certificate, TWO.certificate))) == (ONE.certificate, TWO.certificate)
