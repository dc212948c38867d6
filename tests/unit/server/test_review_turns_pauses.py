"""The pauses after reviews that may take long: what they cost a client that is honest, and what a hostile one has of the time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.simulated_loop import run_simulated
from webhook.server.body_limit import RefusedBodyError
from webhook.server.review_turns import NAMESPACE_BYTES, ReviewTurns, namespace_of

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

KIB: Final = 1024
MANY_COMMAS: Final = b"," * 6000 + b"x" * 74 * KIB
"""Most of them in a text, as in the arguments of a task that works on a list of ids."""

VERY_LARGE: Final = b"x" * 1100 * KIB


class Reviews:
    """An application whose review takes so many seconds of the processor's time, within the turns of the service."""

    def __init__(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = seconds
        self.worked = 0.0
        self.answered: list[float] = []
        self.refused = 0
        self._turns = ReviewTurns(self._review, lambda: 2)
        monkeypatch.setattr(time, "thread_time", lambda: self.worked)

    async def _review(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.worked += self.seconds
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(self, body: bytes, peer: str = "10.0.0.1") -> bool:
        """Send a body and wait for its answer; whether it is one."""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(_message: Message) -> None:
            self.answered.append(asyncio.get_running_loop().time())

        try:
            await self._turns({"type": "http", "headers": [], "client": (peer, 1)}, receive, send)
        except RefusedBodyError:
            self.refused += 1
            return False
        return True

    async def send_without_end(self, body: bytes, peer: str) -> None:
        """Send one after the other."""
        while True:
            await self.send(body, peer)


@pytest.mark.parametrize("body", [MANY_COMMAS, VERY_LARGE])
def test_a_hundred_task_pods_at_once_whose_reviews_might_have_taken_long_and_do_not_are_all_answered(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = Reviews(0.0015, monkeypatch)

    async def scenario() -> None:
        await asyncio.gather(*(reviews.send(body) for _ in range(100)))

    run_simulated(scenario)
    assert reviews.refused == 0
    assert max(reviews.answered) < 2.0, "of the 4 s that each may wait"


@pytest.mark.parametrize(("milliseconds", "most"), [(1, 1 / 13), (2, 1 / 13), (5, 1 / 31), (10, 1 / 61), (20, 1 / 121), (24, 1 / 121)])
def test_the_longer_such_a_review_takes_the_smaller_is_the_share_of_the_time_that_all_of_them_have(
    milliseconds: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = Reviews(milliseconds / 1000, monkeypatch)

    async def scenario() -> None:
        clients = [asyncio.create_task(reviews.send_without_end(MANY_COMMAS, f"10.0.0.{number % 4}")) for number in range(16)]
        await asyncio.sleep(30)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    run_simulated(scenario)
    # The first one had no pause before it. No time of the loop passes while an application works.
    assert (reviews.worked - reviews.seconds) / (30 + reviews.worked) <= most * 1.01
    assert reviews.answered


def in_namespace(namespace: str, body: bytes) -> bytes:
    """A review of this size as an API server begins it."""
    kind = b'"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"}'
    name = f'"name":"sales","namespace":"{namespace}"'.encode()
    return b'{"kind":"AdmissionReview","request":{"uid":"1",' + kind + b"," + name + b',"operation":"CREATE","object":' + body


def test_whoever_sends_slow_pods_to_one_namespace_through_the_api_server_holds_nobody_elses_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = Reviews(0.02, monkeypatch)

    answers: list[bool] = []

    async def scenario() -> None:
        attackers = [asyncio.create_task(reviews.send_without_end(in_namespace("mine", VERY_LARGE), "10.0.0.1")) for _ in range(5)]
        await asyncio.sleep(10)
        answers.extend([await reviews.send(in_namespace(f"team-{number}", MANY_COMMAS)) for number in range(10)])
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)

    run_simulated(scenario)
    assert answers == [True] * 10
    assert reviews.refused > 0, "those of the attacker wait for each other"


def test_the_namespace_by_which_reviews_take_turns_is_that_of_the_request_whatever_its_pod_says() -> None:
    assert namespace_of(in_namespace("mine", b'{"metadata":{"namespace":"other"}}')) == "mine"
    assert namespace_of(b"{") == namespace_of(b"x" * NAMESPACE_BYTES + b'"namespace":"late"') == ""
