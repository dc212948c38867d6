"""Turns and shares: who waits for whom, and that nobody waits alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from webhook.server.turns import Shares, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a loop of its own."""
    asyncio.run(scenario())


async def _note(turns: Turns | Shares, peer: str, order: list[str]) -> None:
    await turns.next(peer)
    order.append(peer)


def test_the_peers_have_turns_in_rotation_however_much_one_of_them_wants() -> None:
    async def scenario() -> None:
        turns, order = Turns(0.0), list[str]()
        await asyncio.gather(*(_note(turns, peer, order) for peer in "aaaabb"), *(_note(turns, "c", order) for _ in range(1)))
        assert "".join(order) == "aabcaba"

    run(scenario)


def test_a_turn_comes_after_a_pause_and_after_a_longer_one_where_the_work_took_long() -> None:
    async def scenario() -> None:
        loop, turns_of_loop = asyncio.get_running_loop(), list[int]()
        loop.call_soon(turns_of_loop.append, 1)
        turns = Turns(0.01, 3.0)
        began = loop.time()
        await turns.next("a")
        assert not turns_of_loop, "nobody was before it"
        await turns.next("a")
        assert loop.time() - began >= 0.009
        began = loop.time()
        turns.took(0.02)
        await turns.next("a")
        assert loop.time() - began >= 0.059

    run(scenario)


def test_a_turn_that_is_given_up_goes_to_the_next() -> None:
    async def scenario() -> None:
        turns = Turns(0.0)
        await turns.next("a")
        given_up, waiting = (asyncio.create_task(turns.next("a")) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        await waiting

    run(scenario)


def test_a_peer_that_is_alone_never_waits() -> None:
    async def scenario() -> None:
        shares, turns_of_loop = Shares(lambda: 1), list[int]()
        asyncio.get_running_loop().call_soon(turns_of_loop.append, 1)
        for _ in range(1000):
            await shares.next("a")
        assert not turns_of_loop, "all in one turn of the loop"

    run(scenario)


def test_of_several_peers_each_has_one_review_in_one_turn_of_the_loop() -> None:
    async def scenario() -> None:
        shares, order = Shares(lambda: 2), list[str]()
        tasks = [asyncio.create_task(_note(shares, "a", order)) for _ in range(8)]
        await asyncio.sleep(0)
        assert order == ["a"], "the others wait for the next turn"
        tasks.append(asyncio.create_task(_note(shares, "b", order)))
        await asyncio.gather(*tasks)
        assert order.index("b") <= 2
        assert len(order) == 9

    run(scenario)
