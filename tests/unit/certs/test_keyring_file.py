"""A keyring as the value of a Secret, valid and broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given

from certs.authority import make_authority
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
