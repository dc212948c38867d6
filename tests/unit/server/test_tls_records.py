"""A TLS connection may send so many records, and more for the data within them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.server.connections import ConnectionLimits, Connections, OpenConnection
from webhook.server.tls_records import MAX_RECORDS, READ_BYTES, RECORDS_A_READ, STEP_BYTES, TlsRecords
from webhook.server.turns import Shares, Turns

if TYPE_CHECKING:
    from webhook.server.shared_read_buffer import SharedReadBuffer

EMPTY = b"\x17\x03\x03\x00\x00"
ALONE = Shares(lambda: 1)
"""Those of one address, which never waits."""


def record(size: int) -> bytes:
    """A record with so many bytes."""
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + b"x" * size


class FakeTls(asyncio.BufferedProtocol):
    """Notes what it gets, and decrypts nothing: each record that is not empty is a read with its bytes."""

    def __init__(self) -> None:
        self.buffer = bytearray(64 * 1024)
        self.taken = b""
        self.reads = self.size = 0
        self.is_open = True
        self.aborted = self.is_paused = False
        self.resumed = asyncio.Event()

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        self.resumed.set()

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.taken += self.buffer[:nbytes]


class Connection:
    """A connection, and what became of what it sent."""

    def __init__(self, room: int = 1000_000, shares: Shares = ALONE, peer: str = "10.0.0.1") -> None:
        self.tls = FakeTls()
        self.connections = Connections(ConnectionLimits(8, 8, 8, room), lambda: None)
        connection = self.connections.add(peer)
        assert connection
        self.connection = connection
        self.records = TlsRecords(self.tls, cast("SharedReadBuffer", self.tls), Turns(0.0), shares, self.connections, connection)
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
        connection.send(record(1200) * 20, decrypted=20 * 1180)
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


HANDSHAKE_RECORD = b"\x16\x03\x03\x00\x02xx"
CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"


@pytest.mark.parametrize("last", [record(50), CHANGE_CIPHER_SPEC + record(50) + record(300), CHANGE_CIPHER_SPEC + record(5000)[:4000]])
def test_the_end_of_a_handshake_for_which_no_key_is_computed_waits_for_no_turn(last: bytes) -> None:
    async def scenario() -> None:
        connection = Connection()
        connection.tls.is_open = False
        connection.send(HANDSHAKE_RECORD)
        connection.send(last)
        assert connection.tls.taken == HANDSHAKE_RECORD + last

    asyncio.run(scenario())


@pytest.mark.parametrize("others", [b"", CHANGE_CIPHER_SPEC, record(50)])
def test_a_second_open_handshake_record_waits_for_a_turn_behind_whatever_it_comes(others: bytes) -> None:
    async def scenario() -> None:
        connection = Connection()
        connection.tls.is_open = False
        connection.send(HANDSHAKE_RECORD)
        connection.send(others + HANDSHAKE_RECORD)
        assert (connection.tls.taken, connection.tls.is_paused) == (HANDSHAKE_RECORD, True)
        connection.records.connection_lost(None)

    asyncio.run(scenario())


def test_what_follows_the_first_message_of_a_handshake_waits_for_a_turn_and_is_given_up_with_its_connection() -> None:
    async def scenario() -> None:
        first, second = Connection(), Connection()
        for connection in (first, second):
            connection.tls.is_open = False
            connection.send(HANDSHAKE_RECORD)
            connection.send(HANDSHAKE_RECORD)
        assert [one.tls.taken for one in (first, second)] == [HANDSHAKE_RECORD] * 2
        assert first.tls.is_paused, "nothing more is read meanwhile"
        second.connection.close()
        assert second.tls.aborted, "it may have to go for another one"
        second.records.connection_lost(None)
        await asyncio.wait_for(first.tls.resumed.wait(), 60)
        await asyncio.sleep(0)
        assert [one.tls.taken for one in (first, second)] == [HANDSHAKE_RECORD * 2, HANDSHAKE_RECORD]

    asyncio.run(scenario())


def test_of_a_handshake_only_a_step_is_read_at_once() -> None:
    connection = Connection()
    connection.tls.is_open = False
    assert len(connection.records.get_buffer(-1)) == STEP_BYTES
    connection.tls.is_open = True
    assert len(connection.records.get_buffer(-1)) == READ_BYTES


def test_where_the_buffers_of_all_connections_have_no_room_one_is_read_in_parts_that_are_no_larger_than_before() -> None:
    connection = Connection(room=4 * READ_BYTES)
    connection.send(record(READ_BYTES - 5))
    assert connection.connections.room == 2 * READ_BYTES, "it is in the buffers of uvloop and of OpenSSL"
    other = connection.connections.add("10.0.0.2")
    assert other
    records = TlsRecords(connection.tls, cast("SharedReadBuffer", connection.tls), Turns(0.0), ALONE, connection.connections, other)
    assert len(records.get_buffer(-1)) == STEP_BYTES
    other.largest_read = STEP_BYTES + 1
    assert len(records.get_buffer(-1)) == STEP_BYTES + 1
    assert len(connection.records.get_buffer(-1)) == READ_BYTES
    connection.connections.remove(connection.connection)
    assert len(records.get_buffer(-1)) == READ_BYTES


def test_of_several_addresses_each_has_one_read_in_one_turn_of_the_loop() -> None:
    async def scenario() -> None:
        shares = Shares(lambda: 2)
        many = [Connection(shares=shares) for _ in range(8)]
        other = Connection(shares=shares, peer="10.0.0.2")
        data = record(100)
        for connection in (*many, other):
            connection.send(data, decrypted=100)
        assert [connection.tls.taken for connection in (*many, other)] == [data, *[b""] * 7, data]
        assert [connection.tls.is_paused for connection in many] == [False, *[True] * 7], "nothing more is read of these"
        served = [1]
        while served[-1] < len(many):
            await asyncio.sleep(0)
            served.append(sum(connection.tls.taken == data for connection in many))
        assert max(later - earlier for earlier, later in pairwise(served)) == 1
        assert not any(connection.tls.is_paused for connection in many)

    asyncio.run(scenario())


def test_what_waits_for_its_share_is_given_up_with_its_connection() -> None:
    async def scenario() -> None:
        shares = Shares(lambda: 2)
        first, ended, last = (Connection(shares=shares) for _ in range(3))
        for connection in (first, ended, last):
            connection.send(record(100), decrypted=100)
        ended.records.connection_lost(None)
        await last.tls.resumed.wait()
        assert last.tls.taken
        assert not ended.tls.taken

    asyncio.run(scenario())


class NotedTurns(Turns):
    """Notes how long each turn took."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.durations: list[float] = []

    def took(self, seconds: float) -> None:
        self.durations.append(seconds)


def test_how_long_a_step_of_a_handshake_took_decides_on_the_pause_after_it() -> None:
    async def scenario() -> None:
        turns, tls = NotedTurns(), FakeTls()
        tls.is_open = False
        connections = Connections(ConnectionLimits(8, 8, 8, 0), lambda: None)
        records = TlsRecords(tls, cast("SharedReadBuffer", tls), turns, ALONE, connections, OpenConnection("10.0.0.1", lambda: None))
        records.connection_made(cast("asyncio.BaseTransport", tls))
        records.get_buffer(-1)
        records.buffer_updated(0)
        assert len(turns.durations) == 1

    asyncio.run(scenario())
