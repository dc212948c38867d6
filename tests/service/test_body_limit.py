"""`BodyLimit` where HTTP cannot reach: other protocols, clients that vanish at a given message, applications that fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.buffered import counted
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies, BufferedBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message, Receive, Scope, Send

LIMITS = BodyLimits(max_bytes=10, read_seconds=60, review_seconds=60)
SOON_OVER = BodyLimits(max_bytes=10, read_seconds=0.05, review_seconds=0.05)
MAX_BUFFERED_BYTES = 150
GONE: Message = {"type": "http.disconnect"}


def _part(body: bytes, *, last: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": not last}


@dataclass
class Application:
    """Takes what it is given, and answers 204."""

    bodies: list[bytes] = field(default_factory=list)
    later: list[Message] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    limit: BodyLimit | None = None
    buffered: BufferedBodies = field(default_factory=lambda: BufferedBodies(MAX_BUFFERED_BYTES))
    fails: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            self.later.append(await receive())
            return
        message = await receive()
        assert message["more_body"] is False
        self.bodies.append(message["body"])
        self.later.append(await receive())
        if self.limit:
            self.seen.append((self.buffered.size, self.limit.in_flight))
        if self.fails:
            raise RuntimeError
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Exchange:
    """One request against the middleware, message by message; after the last the client is silent."""

    application: Application = field(default_factory=Application)
    refused: list[tuple[int, str]] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    limits: BodyLimits = LIMITS

    def __post_init__(self) -> None:
        self.limit = BodyLimit(self.application, self.limits, lambda status, problem: self.refused.append((status, problem)))
        self.application.limit = self.limit

    def run(self, messages: Sequence[Message], headers: Sequence[tuple[bytes, bytes]] = (), kind: str = "http") -> None:
        asyncio.run(self._run(list(messages), headers, kind))

    async def _run(self, messages: list[Message], headers: Sequence[tuple[bytes, bytes]], kind: str) -> None:
        async def receive() -> Message:
            return messages.pop(0) if messages else await asyncio.Future()

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope, receive_counted = counted(self.application.buffered, {"type": kind, "method": "POST", "headers": list(headers)}, receive)
        await self.limit(scope, receive_counted, send)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored any more."""
        return (self.application.buffered.size, self.limit.in_flight) == (0, 0)


@pytest.mark.parametrize("parts", [[b""], [b"0123456789"], [b"01234", b"56789"], [b"", b"0123456789", b""]], ids=repr)
def test_a_body_within_the_limit_arrives_whole_and_is_let_go_afterwards(parts: list[bytes]) -> None:
    exchange = Exchange()
    exchange.run([*(_part(part) for part in parts[:-1]), _part(parts[-1], last=True), GONE])
    body = b"".join(parts)
    assert exchange.application.bodies == [body]
    assert exchange.application.seen == [(len(body), 1)]
    assert (exchange.status, exchange.is_empty, exchange.refused) == (204, True, [])


def test_after_the_body_the_application_hears_what_the_connection_says() -> None:
    exchange = Exchange()
    exchange.run([_part(b"a", last=True), GONE])
    assert exchange.application.later == [GONE]


def test_messages_without_members_are_an_empty_body() -> None:
    exchange = Exchange()
    exchange.run([{"type": "http.request"}, GONE])
    assert exchange.application.bodies == [b""]


@pytest.mark.parametrize("before", [[], [_part(b"01234")], [_part(b""), _part(b"0")]], ids=len)
def test_a_client_that_is_gone_before_its_body_is_whole_is_not_answered(before: list[Message]) -> None:
    exchange = Exchange()
    exchange.run([*before, GONE])
    assert (exchange.application.bodies, exchange.sent, exchange.refused, exchange.is_empty) == ([], [], [], True)


@pytest.mark.parametrize("parts", [[b"01234567890"], [b"0123456789", b"0"], [b"0" * 100]], ids=len)
def test_the_first_byte_too_many_is_413(parts: list[bytes]) -> None:
    exchange = Exchange()
    exchange.run([_part(part) for part in parts])
    assert (exchange.status, exchange.is_empty) == (413, True)
    assert exchange.refused == [(413, "the body is larger than 10 bytes")]


@pytest.mark.parametrize(
    ("length", "status"), [(b"10", 204), (b"11", 413), (b"9" * 1000, 413), (b"\xb2", 204), (b"many", 204), (b"-11", 204)]
)
def test_a_length_is_believed_only_where_it_is_a_number_that_is_too_large(length: bytes, status: int) -> None:
    exchange = Exchange()
    exchange.run([_part(b"a", last=True), GONE], [(b"host", b"a"), (b"content-length", length)])
    assert exchange.status == status


def test_a_body_that_stops_coming_is_408() -> None:
    exchange = Exchange(limits=SOON_OVER)
    exchange.run([_part(b"a")])
    assert exchange.refused == [(408, "the body did not arrive within 0.05 s")]
    assert (b"connection", b"close") in exchange.sent[0]["headers"]
    assert exchange.is_empty


def test_an_answer_that_nobody_takes_is_given_up_and_lets_the_body_go() -> None:
    exchange = Exchange(limits=SOON_OVER)
    exchange.run([_part(b"a", last=True)])
    assert (exchange.application.bodies, exchange.sent, exchange.is_empty) == ([b"a"], [], True)


def test_what_others_hold_counts_and_the_refused_body_does_not_stay() -> None:
    exchange = Exchange()
    others = [BufferedBody(exchange.application.buffered, f"10.0.1.{number}") for number in range(16)]
    for other in others:
        other.has_read(bytearray(), 9)
    exchange.run([_part(b"0123456789", last=True)])
    assert exchange.refused == [(503, "too many requests at once")]
    assert {(b"connection", b"close"), (b"retry-after", b"1")} <= set(exchange.sent[0]["headers"])
    assert exchange.application.buffered.size == sum(other.size for other in others) == 144


def test_an_application_that_fails_leaves_nothing_behind() -> None:
    exchange = Exchange(Application(fails=True))
    with pytest.raises(RuntimeError):
        exchange.run([_part(b"a", last=True), GONE])
    assert exchange.is_empty


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_what_is_not_http_passes(kind: str) -> None:
    exchange = Exchange()
    exchange.run([{"type": f"{kind}.something"}], kind=kind)
    assert exchange.application.later == [{"type": f"{kind}.something"}]
