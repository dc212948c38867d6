"""Keyrings and bundles as text, valid and broken; the key pair in memory."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from certs.authority import (
    BACKDATED,
    CA_LIFE,
    RENEWAL,
    RENEWAL_JITTER,
    is_own_authority,
    make_authority,
    renewal_time,
    service_names,
    sign_leaf,
)
from certs.bundle import read_bundle, write_bundle
from certs.key_pair import KeyPair
from certs.keyring import Authority, Keyring
from certs.keyring_file import read_keyring, write_keyring
from certs.lifetimes import DEFAULT_LIFETIMES

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = make_authority(NOW), make_authority(NOW)
KEYRING: Final = Keyring((Authority(ONE.certificate, None, NOW), Authority(TWO.certificate, TWO.key)))


def changed(**fields: Any) -> bytes:
    """The text of a keyring whose second authority is changed."""
    first, second = json.loads(write_keyring(KEYRING))
    return json.dumps([first, {**second, **fields}]).encode()


def test_a_keyring_is_read_as_it_was_written() -> None:
    read = read_keyring(write_keyring(KEYRING), DEFAULT_LIFETIMES)

    assert read == KEYRING
    assert [one.key is not None for one in read.authorities] == [False, True]


def test_a_key_of_another_certificate_counts_as_lost() -> None:
    read = read_keyring(changed(key=ONE.key_pem.decode()), DEFAULT_LIFETIMES)

    assert read is not None
    assert read.bundle == KEYRING.bundle
    assert read.with_key == ()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[1]",
        b"[{}]",
        changed(certificate="x"),
        changed(certificate=None),
        changed(key="x"),
        changed(trustedSince="x"),
        changed(trustedSince="2026-03-01T12:00:00"),
        changed(trustedSince=7),
    ],
)
def test_a_value_that_is_no_keyring_has_no_authorities(value: bytes) -> None:
    read = read_keyring(value, DEFAULT_LIFETIMES)

    assert read is None or read.authorities == ()


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(lambda it: json.dumps(it).encode()))  # fmt: skip
def test_no_text_breaks_the_reader(value: bytes) -> None:
    read = read_keyring(value, DEFAULT_LIFETIMES)

    assert read is None or not read.with_key


def test_a_keyring_does_not_show_its_keys() -> None:
    assert "key=" not in repr(KEYRING)


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
    assert read_bundle(write_bundle(KEYRING.bundle)) == KEYRING.bundle


def test_a_certificate_is_renewed_at_two_thirds_of_its_life_or_a_little_sooner() -> None:
    parts = [(renewal_time(make_authority(NOW).certificate) - NOW) / CA_LIFE for _ in range(20)]

    assert all(RENEWAL - RENEWAL_JITTER < part <= RENEWAL for part in parts)
    assert len(set(parts)) > 1


def test_the_hour_before_it_was_made_is_no_part_of_its_life() -> None:
    life = timedelta(minutes=3)

    assert renewal_time(make_authority(NOW, life=life).certificate) > NOW + life / 2
    assert life < BACKDATED


def test_the_webhooks_own_authorities_are_recognised_by_their_name() -> None:
    leaf = sign_leaf(ONE, ["airflow-sidecar-webhook CA 1"], NOW)

    assert is_own_authority(ONE.certificate)
    assert not is_own_authority(make_authority(NOW, "stranger").certificate)
    assert not is_own_authority(leaf.certificate)


def test_serial_numbers_are_random_and_long() -> None:
    serials = [sign_leaf(ONE, ["a"], NOW).certificate.serial_number for _ in range(20)]

    assert len(set(serials)) == 20
    assert max(serials).bit_length() > 128


LEAF: Final = sign_leaf(ONE, service_names("service", "namespace"), datetime.now(UTC))
PAIR: Final = KeyPair(LEAF.certificate_pem, LEAF.key_pem)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_pair_is_loaded_without_a_file_and_leaves_no_descriptor() -> None:
    before = descriptors()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    PAIR.load_into(context)

    assert descriptors() == before


def test_a_pair_is_loaded_where_no_disk_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    PAIR.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    assert not Path("/nonexistent").exists()


def test_a_pair_whose_key_belongs_to_another_certificate_is_refused() -> None:
    with pytest.raises(ssl.SSLError):
        KeyPair(LEAF.certificate_pem, ONE.key_pem).load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
