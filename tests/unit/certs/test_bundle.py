"""A caBundle, valid and broken."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time
from typing import Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from certs.authority import make_authority
from certs.bundle import MAX_BUNDLE_BYTES, MAX_CERTIFICATES, read_bundle, write_bundle

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


def test_a_certificate_after_a_beginning_without_an_end_is_read() -> None:
    assert read_bundle(b"-----BEGIN CERTIFICATE-----\n" + ONE.certificate_pem) == (ONE.certificate,)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (b"CERTIFICATE-----\nM", b"CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nM"),
        (b"-----BEGIN CERTIFICATE-----\n", b" -----BEGIN CERTIFICATE-----\n"),
        (b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN X509 CERTIFICATE-----\n"),
        (b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----x\n"),
    ],
)
def test_a_certificate_that_an_api_server_skips_is_not_in_the_bundle(text: bytes, changed: bytes) -> None:
    pem = ONE.certificate_pem.replace(text, changed)

    assert pem != ONE.certificate_pem
    assert read_bundle(pem + TWO.certificate_pem) == (TWO.certificate,)


def test_a_bundle_is_read_up_to_its_bounds() -> None:
    assert len(read_bundle(ONE.certificate_pem * (MAX_CERTIFICATES + 1))) == MAX_CERTIFICATES
    largest = ONE.certificate_pem.ljust(MAX_BUNDLE_BYTES, b"\n")
    assert read_bundle(largest) == (ONE.certificate,)
    assert read_bundle(largest + b"\n") == ()


def test_reading_takes_time_in_proportion_to_the_bundle() -> None:
    """Quadratic, this one takes minutes."""
    pem = b"-----BEGIN CERTIFICATE-----\n" * (MAX_BUNDLE_BYTES // 28)
    before = process_time()

    assert read_bundle(pem) == ()
    assert process_time() - before < 10


@given(st.binary())
def test_no_bytes_break_the_reader_of_bundles(pem: bytes) -> None:
    assert read_bundle(pem) == ()


def test_a_bundle_is_read_as_it_was_written() -> None:
    assert read_bundle(write_bundle((ONE.certificate, TWO.certificate))) == (ONE.certificate, TWO.certificate)
