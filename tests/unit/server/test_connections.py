"""Which connection is closed where there are too many."""

from __future__ import annotations

from dataclasses import dataclass, field

from webhook.server.connections import ConnectionLimits, Connections, OpenConnection


@dataclass
class CrowdedPort:
    """A port with room for four connections, three of them from one address, and the names of those that it closed."""

    closed: list[str] = field(default_factory=list)
    displaced: int = 0

    def __post_init__(self) -> None:
        self.connections = Connections(ConnectionLimits(total=4, per_peer=3, unread=2, buffer_bytes=100), self._displace)

    def _displace(self) -> None:
        self.displaced += 1

    def open(self, name: str) -> OpenConnection:
        """A connection whose name begins with its address."""
        connection = self.connections.add(name[0])
        assert connection
        connection.close = lambda: self.closed.append(name)
        return connection


def test_within_the_limits_none_is_closed() -> None:
    port = CrowdedPort()
    for name in ("a1", "a2", "a3", "b1"):
        port.open(name)
    assert (port.closed, port.displaced, len(port.connections)) == ([], 0, 4)


def test_an_address_with_too_many_loses_its_oldest() -> None:
    port = CrowdedPort()
    for name in ("b1", "a1", "a2", "a3", "a4", "a5"):
        port.open(name)
    assert (port.closed, port.displaced, len(port.connections)) == (["a1", "a2"], 2, 4)


def test_beyond_the_limit_of_all_the_address_with_the_most_pays() -> None:
    port = CrowdedPort()
    for name in ("b1", "a1", "a2", "a3", "c1"):
        port.open(name)
    assert (port.closed, len(port.connections)) == (["a1"], 4)


def test_a_connection_that_was_used_is_younger_than_one_that_was_not() -> None:
    port = CrowdedPort()
    first = port.open("a1")
    port.open("a2")
    port.open("a3")
    port.connections.idle(first)
    port.open("a4")
    assert port.closed == ["a2"]


def test_a_busy_connection_stays_and_the_next_idle_one_goes() -> None:
    port = CrowdedPort()
    first = port.open("a1")
    first.is_busy = True
    for name in ("a2", "a3", "a4"):
        port.open(name)
    assert port.closed == ["a2"]
    port.connections.idle(first)
    assert not first.is_busy


def test_where_all_of_an_address_are_busy_its_next_is_refused() -> None:
    port = CrowdedPort()
    for name in ("a1", "a2", "a3"):
        port.open(name).is_busy = True
    assert port.connections.add("a") is None
    assert (port.closed, port.displaced, len(port.connections)) == ([], 1, 3)
    assert port.connections.add("b")


def test_an_idle_connection_of_a_smaller_address_goes_before_a_busy_one_of_the_largest() -> None:
    connections = Connections(ConnectionLimits(total=5, per_peer=3, unread=2, buffer_bytes=100), lambda: None)
    busy = [connections.add("a") for _ in range(3)]
    for connection in busy:
        assert connection
        connection.is_busy = True
    for _ in range(2):
        assert connections.add("b")
    assert connections.add("c")
    left = [connections.peers, len(connections)]
    for connection in busy:
        assert connection
        connections.remove(connection)
    assert (left, len(connections)) == ([3, 5], 2), "one of b and the one of c"


def test_an_address_with_fewer_does_not_pay_for_one_with_more() -> None:
    port = CrowdedPort()
    for name in ("a1", "a2"):
        port.open(name).is_busy = True
    for name in ("b1", "c1"):
        port.open(name)
    assert port.connections.add("a") is None
    assert (port.closed, port.displaced, len(port.connections)) == ([], 1, 4)


def test_an_address_beyond_the_limit_of_all_pays_itself_where_no_other_has_more() -> None:
    port = CrowdedPort()
    port.open("a1").is_busy = True
    for name in ("a2", "b1", "c1", "a3"):
        port.open(name)
    assert port.closed == ["a2"]


def test_where_all_are_busy_an_address_with_more_than_the_new_one_loses_its_oldest() -> None:
    port = CrowdedPort()
    for name in ("b1", "a1", "a2", "a3"):
        port.open(name).is_busy = True
    port.open("c1")
    assert (port.closed, port.displaced, len(port.connections)) == (["a1"], 1, 4)


def test_an_address_does_not_pay_for_one_that_would_then_have_more() -> None:
    port = CrowdedPort()
    for name in ("a1", "b1", "c1", "d1"):
        port.open(name)
    assert port.connections.add("e") is None
    assert (port.closed, port.displaced, len(port.connections)) == ([], 1, 4)


def test_an_ended_connection_leaves_its_room() -> None:
    port = CrowdedPort()
    connections = [port.open(name) for name in ("a1", "a2", "a3")]
    port.connections.remove(connections[0])
    port.connections.remove(connections[0])
    port.open("a4")
    assert (port.closed, len(port.connections)) == ([], 3)
    port.connections.idle(connections[0])
    assert len(port.connections) == 3


def test_every_end_of_a_connection_is_reported_once_whatever_its_reason() -> None:
    ended: list[None] = []
    connections = Connections(ConnectionLimits(total=4, per_peer=1, unread=2, buffer_bytes=100), lambda: None, lambda: ended.append(None))
    first, second = connections.add("a"), connections.add("a")
    assert first
    assert second
    for connection in (first, second, second):
        connections.remove(connection)
    assert len(ended) == 2


def test_of_connections_that_are_not_read_the_oldest_of_the_address_with_the_most_is_closed_where_there_are_too_many() -> None:
    port = CrowdedPort()
    opened = {name: port.open(name) for name in ("b1", "a1", "a2")}
    for connection in opened.values():
        port.connections.is_unread(connection)
    assert (port.closed, port.displaced, len(port.connections)) == (["a1"], 1, 2)


def test_a_connection_that_is_read_after_all_or_has_ended_is_no_longer_one_that_is_not_read() -> None:
    port = CrowdedPort()
    opened = [port.open(name) for name in ("a1", "a2", "b1", "b2")]
    for connection in opened:
        port.connections.is_unread(connection)
        port.connections.was_read(connection)
    port.connections.is_unread(opened[0])
    port.connections.remove(opened[0])
    for connection in opened[1:3]:
        port.connections.is_unread(connection)
    assert port.closed == []


def test_where_there_is_no_room_for_a_response_the_address_that_takes_the_most_pays_with_its_oldest() -> None:
    port = CrowdedPort()
    first, second, other = port.open("a1"), port.open("a2"), port.open("b1")
    port.connections.has_responded(other, 20)
    port.connections.has_read(first, 15)
    port.connections.has_responded(second, 30)
    port.connections.has_responded(second, 50)
    assert (port.closed, port.connections.room) == ([], 0)
    port.connections.has_responded(other, 21)
    assert (port.closed, port.displaced, len(port.connections)) == (["a1"], 1, 2)
    port.connections.has_responded(other, 45)
    assert port.closed == ["a1"], "what has ended is counted no more"


def test_a_read_closes_no_connection_and_what_is_read_is_in_two_buffers() -> None:
    port = CrowdedPort()
    port.connections.has_read(port.open("a1"), 51)
    assert (port.closed, port.connections.room) == ([], -2)


def test_a_connection_whose_buffers_are_small_or_that_is_busy_does_not_pay_for_large_ones() -> None:
    port = CrowdedPort()
    port.connections.has_responded(port.open("a1"), 100 // 4)
    busy, large, small = port.open("a2"), port.open("a3"), port.open("b1")
    busy.is_busy = True
    port.connections.has_responded(busy, 50)
    port.connections.has_responded(small, 10)
    port.connections.has_responded(large, 60)
    assert port.closed == ["a3"]


def test_an_address_that_takes_less_does_not_pay_for_one_that_takes_more() -> None:
    port = CrowdedPort()
    few, many = port.open("b1"), port.open("a1")
    many.is_busy = True
    port.connections.has_responded(few, 40)
    port.connections.has_responded(many, 90)
    assert port.closed == [], "the only one that would have to is busy"
    port.connections.idle(many)
    port.connections.has_responded(few, 41)
    assert port.closed == ["a1"]


def test_a_connection_that_has_ended_does_not_grow() -> None:
    port = CrowdedPort()
    ended, other = port.open("a1"), port.open("a2")
    port.connections.remove(ended)
    port.connections.has_read(ended, 1000)
    port.connections.has_responded(ended, 1000)
    port.connections.has_responded(other, 100)
    assert (port.closed, port.connections.room) == ([], 0)
