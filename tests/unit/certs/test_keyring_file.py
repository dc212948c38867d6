"""A keyring as the value of a Secret, valid and broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from certs.authority import make_authority
from certs.keyring import MAX_AUTHORITIES, Authority, Keyring
from certs.keyring_file import MAX_KEYRING_BYTES, read_keyring, write_keyring
from certs.lifetimes import DEFAULT_LIFETIMES, Lifetimes
from certs.pem import MAX_KEY_BYTES

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


@pytest.mark.parametrize("key", [ONE.key_pem.decode(), "x", "\ud800", TWO.key_pem.decode() + "-" * MAX_KEY_BYTES])
def test_a_key_of_another_certificate_or_of_none_counts_as_lost(key: str) -> None:
    read = read_keyring(changed(key=key), DEFAULT_LIFETIMES)

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
        changed(certificate="\ud800"),
        changed(certificate=None),
        changed(key=7),
        changed(trustedSince="x"),
        changed(trustedSince="2026-03-01T12:00:00"),
        changed(trustedSince=7),
        changed(trustedSince="9999-12-31T23:59:59-23:59"),
        b"[" * 100_000,
        b'{"a":' * 50_000,
        write_keyring(KEYRING).ljust(MAX_KEYRING_BYTES + 1),
    ],
)
def test_a_value_that_is_no_keyring_has_no_authorities(value: bytes) -> None:
    read = read_keyring(value, DEFAULT_LIFETIMES)

    assert read is None or read.authorities == ()


def test_the_largest_value_is_read_as_any_other() -> None:
    assert read_keyring(write_keyring(KEYRING).ljust(MAX_KEYRING_BYTES), DEFAULT_LIFETIMES) == KEYRING


def test_the_durations_of_whoever_reads_a_keyring_apply_to_it() -> None:
    lifetimes = Lifetimes(propagation=timedelta(minutes=1))
    read = read_keyring(write_keyring(KEYRING), lifetimes)

    assert read is not None
    assert read.lifetimes == lifetimes


def test_a_time_in_another_time_zone_is_read_in_utc() -> None:
    read = read_keyring(changed(trustedSince="2026-03-01T14:00:00+02:00"), DEFAULT_LIFETIMES)

    assert read is not None
    assert read.authorities[1].trusted_since == NOW
    assert read.authorities[1].trusted_since.tzinfo is UTC


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(lambda it: json.dumps(it).encode()))  # fmt: skip
def test_no_text_breaks_the_reader(value: bytes) -> None:
    read = read_keyring(value, DEFAULT_LIFETIMES)

    assert read is None or not read.with_key


def test_an_authority_that_is_there_twice_is_read_once() -> None:
    rows = json.loads(write_keyring(KEYRING))

    assert read_keyring(json.dumps(rows * 2).encode(), DEFAULT_LIFETIMES) == KEYRING


def test_of_too_many_authorities_the_youngest_are_read() -> None:
    many = Keyring(tuple(Authority(make_authority(NOW).certificate) for _ in range(MAX_AUTHORITIES + 2)))

    read = read_keyring(write_keyring(many), DEFAULT_LIFETIMES)

    assert read is not None
    assert read.bundle == many.bundle[2:]


def test_a_full_keyring_has_room() -> None:
    full = Keyring(
        tuple(Authority(issued.certificate, issued.key, NOW) for issued in (make_authority(NOW) for _ in range(MAX_AUTHORITIES)))
    )

    assert read_keyring(write_keyring(full), DEFAULT_LIFETIMES) == full


def test_a_keyring_does_not_show_its_keys() -> None:
    assert "key=" not in repr(KEYRING)
