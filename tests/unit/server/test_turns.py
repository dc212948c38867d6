"""Turns and shares: who waits for whom, and that nobody waits alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.simulated_loop import run_simulated
from webhook.server import turns
from webhook.server.turns import LONG_SECONDS, MOST_SLOW, Shares, Turns

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


def test_the_turns_of_one_peer_go_by_namespace_and_other_peers_do_not_wait_for_each_of_them() -> None:
    async def scenario() -> None:
        turns, order = Turns(0.0), list[str]()

        async def note(peer: str, namespace: str) -> None:
            await turns.next(peer, namespace)
            order.append(f"{peer}{namespace}")

        await asyncio.gather(*(note("a", namespace) for namespace in "111123"), note("b", ""), note("b", ""))
        assert order == ["a1", "a1", "b", "a2", "b", "a3", "a1", "a1"]

    run(scenario)


def test_a_turn_comes_after_a_pause_and_after_a_longer_one_where_the_work_took_long() -> None:
    async def scenario() -> None:
        turns, times = Turns(0.01, lambda seconds: 3 * seconds), list[float]()
        for took in (0.0, 0.02, 0.001, 0.0):
            await turns.next("a")
            times.append(asyncio.get_running_loop().time())
            turns.took(took)
        assert times == pytest.approx([0, 0.01, 0.09, 0.101]), "the loop's time does not pass while somebody works"

    run_simulated(scenario)


def test_after_a_quiet_time_pieces_follow_without_a_pause_each_in_a_turn_of_the_loop_until_they_owe_as_much_as_they_may() -> None:
    async def scenario() -> None:
        loop, turn, in_turns, times = asyncio.get_running_loop(), 0, list[int](), list[float]()
        turns = Turns(0.002, lambda seconds: 3 * seconds, owed_seconds=0.1)

        async def work() -> None:
            await turns.next("a")
            turns.took(0.001)
            in_turns.append(turn)
            times.append(loop.time())

        def count_turn() -> None:
            nonlocal turn
            turn += 1
            if len(times) < 26:
                loop.call_soon(count_turn)

        count_turn()
        await asyncio.gather(*(work() for _ in range(50)))
        assert times[:26] == pytest.approx([0.0] * 26), "25 of them owe 100 ms"
        assert max(Counter(in_turns[:26]).values()) == 1
        assert times[26:] == pytest.approx([0.004 * number for number in range(1, 25)])
        await asyncio.sleep(0.04)
        await asyncio.gather(*(work() for _ in range(20)))
        assert times[50:60] == pytest.approx([times[49] + 0.04] * 10), "ten are paid for by the quiet time"
        assert times[60:] == pytest.approx([times[59] + 0.004 * number for number in range(1, 11)])

    run_simulated(scenario)


def test_what_may_be_owed_gives_no_larger_share_over_a_longer_time() -> None:
    async def scenario() -> None:
        loop, worked = asyncio.get_running_loop(), 0.0
        turns = Turns(0.002, lambda seconds: 3 * seconds, owed_seconds=0.1)
        while loop.time() < 10:
            # Bursts with quiet times between them.
            for _ in range(40):
                await turns.next("a")
                turns.took(0.004)
                worked += 0.004
            await asyncio.sleep(0.1)
        assert worked <= (loop.time() + 0.1) / 4 + 0.004

    run_simulated(scenario)


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


def test_of_peers_whose_pieces_take_long_one_has_a_share_in_a_turn_of_the_loop_in_rotation_and_every_other_peer_has_its_own() -> None:
    async def scenario() -> None:
        shares, order = Shares(lambda: 6), list[str]()
        for peer in "abcd":
            shares.took(peer, 1.0)
            # A short piece does not change that.
            shares.took(peer, 0.0)
        tasks = [asyncio.create_task(_note(shares, peer, order)) for peer in "abcd" * 3]
        tasks += [asyncio.create_task(_note(shares, peer, order)) for peer in "xy" * 3]
        await asyncio.gather(*tasks)
        slow = "".join(peer for peer in order if peer in "abcd")
        assert sorted(slow) == sorted("abcd" * 3)
        assert all(len(set(slow[at : at + 4])) == 4 for at in range(9)), "in rotation"
        assert len([peer for peer in order[: order.index("y", order.index("y") + 1)] if peer in "abcd"]) <= 2, "one in each turn"

    run(scenario)


def test_a_peer_is_slow_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        shares = Shares(lambda: 2)
        for peer in "ab":
            shares.took(peer, 1.0)
        assert shares.takes("a")
        assert not shares.takes("b"), "another slow peer had the share of this turn"
        monkeypatch.setattr(turns, "SLOW_FACTOR", 0.0)
        for peer in "cd":
            shares.took(peer, 1.0)
        assert shares.takes("c")
        assert shares.takes("d"), "its time is over"

    run(scenario)


def test_a_short_piece_makes_no_peer_slow() -> None:
    async def scenario() -> None:
        shares = Shares(lambda: 2)
        for peer in "ab":
            shares.took(peer, LONG_SECONDS)
        assert shares.takes("a")
        assert shares.takes("b")

    run(scenario)


def test_what_is_known_of_slow_peers_is_bounded_and_every_peer_has_its_share() -> None:
    async def scenario() -> None:
        shares, order = Shares(lambda: 2), list[str]()
        for number in range(10 * MOST_SLOW):
            shares.took(f"peer {number}", 1.0)
        peers = [f"peer {number}" for number in range(10 * MOST_SLOW - 5, 10 * MOST_SLOW)]
        await asyncio.gather(*(_note(shares, peer, order) for peer in [*peers, "a"] * 20))
        assert Counter(order) == dict.fromkeys([*peers, "a"], 20)

    run(scenario)


def test_a_share_of_a_slow_peer_that_is_given_up_goes_to_the_next() -> None:
    async def scenario() -> None:
        shares = Shares(lambda: 2)
        for peer in "ab":
            shares.took(peer, 1.0)
        assert shares.takes("a")
        given_up, waiting = shares.wait("a"), shares.wait("b")
        given_up.cancel()
        await waiting

    run(scenario)
