"""Which body is dropped where all bodies are too large together."""

from __future__ import annotations

from webhook.server.buffered_bodies import BufferedBodies, BufferedBody


class FullBuffer:
    """Room for a hundred bytes, and the names of the bodies that were displaced."""

    def __init__(self) -> None:
        self.bodies = BufferedBodies(100)
        self.displaced: list[str] = []
        self.unreceived: dict[str, bytearray] = {}

    def read(self, name: str, size: int) -> BufferedBody:
        """A body whose name begins with its address, and of which so much was read."""
        self.unreceived[name] = bytearray(size)
        body = BufferedBody(self.bodies, name[0])
        body.when_displaced = lambda: self.displaced.append(name)
        body.has_read(self.unreceived[name], size)
        return body


def test_within_the_limit_none_is_dropped() -> None:
    buffer = FullBuffer()
    bodies = [buffer.read(name, 25) for name in ("a1", "a2", "a3", "b1")]
    assert (buffer.displaced, buffer.bodies.size) == ([], 100)
    assert all(body.is_wanted for body in bodies)


def test_the_address_that_has_the_most_loses_its_largest_body_and_not_the_one_that_is_the_largest_of_all() -> None:
    buffer = FullBuffer()
    for name, size in (("b1", 40), ("a1", 20), ("a2", 25), ("a3", 15)):
        buffer.read(name, size)
    buffer.read("c1", 1)
    assert (buffer.displaced, buffer.bodies.size) == (["a2"], 76)
    assert buffer.unreceived["a2"] == b"", "its bytes are free at once"
    assert len(buffer.unreceived["b1"]) == 40


def test_as_many_are_dropped_as_it_takes_and_it_may_be_the_one_that_grows() -> None:
    buffer = FullBuffer()
    for name in ("a1", "a2", "b1"):
        buffer.read(name, 30)
    grown = buffer.read("a3", 41)
    assert (buffer.displaced, buffer.bodies.size, grown.is_wanted) == (["a3"], 90, False)
    buffer.read("b2", 70)
    assert (buffer.displaced, buffer.bodies.size) == (["a3", "b2"], 90)


def test_parts_that_the_application_has_received_are_free_at_once_as_well() -> None:
    buffer = FullBuffer()
    body = buffer.read("a1", 60)
    body.has_received(b"x" * 60)
    body.has_read(bytearray(), 10)
    buffer.read("b1", 31)
    assert (buffer.displaced, body.join()) == (["a1"], b"")


def test_the_parts_are_joined_and_the_body_still_counts() -> None:
    buffer = FullBuffer()
    body = buffer.read("a1", 60)
    for part in (b"x" * 20, b"y" * 40):
        body.has_received(part)
    assert (body.join(), buffer.bodies.size) == (b"x" * 20 + b"y" * 40, 60)


def test_a_body_that_is_dropped_makes_room_and_a_response_counts_in_the_place_of_its_body() -> None:
    buffer = FullBuffer()
    first, second = buffer.read("a1", 40), buffer.read("b1", 60)
    first.drop()
    first.drop()
    assert buffer.bodies.size == 60
    second.replace(100)
    buffer.read("c1", 1)
    assert (buffer.displaced, buffer.bodies.size) == (["b1"], 1)
