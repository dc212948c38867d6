"""The turns of handshakes: what a client waits for that opens many connections at once."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.support.simulated_loop import run_simulated
from webhook.server.connections import ConnectionLimits, Connections
from webhook.server.listener import Listener

CONNECTIONS = 90
STEPS = 2
"""With keys to compute, of one handshake: Go's client offers another group first, and is asked for P-256."""

STEP_SECONDS = 0.0006


def _listener() -> Listener:
    connections = Connections(ConnectionLimits(768, 640, 96, 1 << 24), lambda: None)

    def make_protocol(_connection: object) -> None:  # pragma: no cover - no connection comes
        raise AssertionError

    return Listener(connections, make_protocol, 5.0, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # type: ignore[arg-type]


def test_the_handshakes_of_ninety_connections_that_an_api_server_opens_at_once_have_no_pauses() -> None:
    async def scenario() -> None:
        turns = _listener()._handshakes

        async def shake_hands() -> None:
            for _ in range(STEPS):
                await turns.next("10.0.0.1")
                turns.took(STEP_SECONDS)

        await asyncio.gather(*(shake_hands() for _ in range(CONNECTIONS)))
        assert asyncio.get_running_loop().time() == pytest.approx(0.0)

    run_simulated(scenario)


def test_handshakes_without_end_have_a_turn_in_two_milliseconds() -> None:
    async def scenario() -> None:
        turns, shaken = _listener()._handshakes, 0
        while asyncio.get_running_loop().time() < 10:
            await turns.next("10.0.0.2")
            turns.took(STEP_SECONDS)
            shaken += 1
        assert shaken <= (10 + 0.5) / 0.002 + 1

    run_simulated(scenario)
