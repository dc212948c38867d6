"""A TLS connection may send so many records, and more for the data within them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.server.tls_records import MAX_RECORDS, RECORDS_A_READ, TlsRecords

if TYPE_CHECKING:
    from webhook.server.shared_read_buffer import SharedReadBuffer

EMPTY = b"\x17\x03\x03\x00\x00"


def record(size: int) -> bytes:
    """A record with so many bytes."""
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + b"x" * size


class FakeTls(asyncio.BufferedProtocol):
    """Notes what it gets, and decrypts nothing: each record that is not empty is a read with its bytes."""

    def __init__(self) -> None:
        self.buffer = bytearray(64 * 1024)
        self.taken = b""
        self.reads = self.size = 0
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.taken += self.buffer[:nbytes]


class Connection:
    """A connection, and what became of what it sent."""

    def __init__(self) -> None:
        self.tls = FakeTls()
        self.records = TlsRecords(self.tls, cast("SharedReadBuffer", self.tls))
        self.records.connection_made(cast("asyncio.BaseTransport", self.tls))

    def send(self, data: bytes, *, decrypted: int = 0) -> None:
        """Arrive in one read, of which TLS gets so many bytes of data."""
        self.tls.reads += bool(decrypted)
        self.tls.size += decrypted
        self.records.get_buffer(-1)[: len(data)] = data
        self.records.buffer_updated(len(data))


@pytest.mark.parametrize("waits", [False, True], ids=["in one read", "one by one"])
def test_records_without_data_are_passed_on_as_long_as_the_budget_lasts(waits: bool) -> None:
    connection = Connection()
    for part in [EMPTY] * MAX_RECORDS if waits else [EMPTY * MAX_RECORDS]:
        connection.send(part)
    assert (connection.tls.taken, connection.tls.aborted) == (EMPTY * MAX_RECORDS, False)
    connection.send(EMPTY)
    assert (connection.tls.taken, connection.tls.aborted) == (EMPTY * MAX_RECORDS, True), "OpenSSL does not see what is too much"


def test_requests_of_two_records_go_on_for_ever() -> None:
    connection = Connection()
    for _ in range(MAX_RECORDS * 4):
        connection.send(record(200) + record(40), decrypted=200)
    assert not connection.tls.aborted


def test_one_byte_of_data_does_not_pay_for_many_records() -> None:
    connection = Connection()
    while not connection.tls.aborted:
        connection.send(EMPTY * (RECORDS_A_READ * 10) + record(20), decrypted=1)
    assert len(connection.tls.taken) < len(EMPTY) * MAX_RECORDS * 2


def test_a_large_body_in_records_of_a_thousand_bytes_goes_through() -> None:
    connection = Connection()
    for _ in range(50):
        connection.send(record(1200) * 50, decrypted=50 * 1180)
    assert not connection.tls.aborted


@given(st.lists(st.integers(0, 300), min_size=1, max_size=MAX_RECORDS), st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_records_are_counted_wherever_a_read_ends(sizes: list[int], reads: list[int]) -> None:
    sent = b"".join(record(size) for size in sizes)
    connection, at = Connection(), 0
    for size in [*reads, len(sent)]:
        if at < len(sent):
            connection.send(sent[at : at + size])
            at += size
    assert (connection.tls.taken, connection.tls.aborted) == (sent, False)
    connection.send(EMPTY * (MAX_RECORDS - len(sizes)))
    assert not connection.tls.aborted
    connection.send(EMPTY)
    assert connection.tls.aborted
