"""The HTTP application, called as a server calls it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from tests.support.faulty_pods import injected_pod
from tests.support.pods import review_of
from webhook.core import UNKNOWN_CLUSTER, default_policy
from webhook.server.app import create_app
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation

if TYPE_CHECKING:
    import pytest
    from starlette.types import Message


def order_of_two(caplog: pytest.LogCaptureFixture, *, in_one_turn: bool) -> list[str]:
    """What happens, in its order, in two requests, in one turn of the event loop or one after the other."""
    caplog.set_level(logging.INFO, "webhook.review")
    order: list[str] = []
    observation = Observation(Metrics(), lambda _logger, event, _fields: order.append(f"log {event}"))
    app = create_app(default_policy(), lambda: UNKNOWN_CLUSTER, observation, "allow")
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mutate", "headers": [(b"content-type", b"application/json")]}

    async def receive() -> Message:
        order.append("request")
        return {"type": "http.request", "body": review_of(injected_pod()), "more_body": False}

    async def send(message: Message) -> None:
        order.append(message["type"])

    async def send_two() -> None:
        loop = asyncio.get_running_loop()
        await app(scope, receive, send)
        if not in_one_turn:
            done = loop.create_future()
            loop.call_soon(done.set_result, None)
            await done
        await app(scope, receive, send)

    asyncio.run(send_two())
    return order


ONE: Final = ["request", "http.response.start", "http.response.body"]


def test_the_response_does_not_wait_for_the_log_which_has_the_review_before_the_next_request(caplog: pytest.LogCaptureFixture) -> None:
    assert order_of_two(caplog, in_one_turn=False) == [*ONE, "log review", *ONE, "log review"]


def test_of_reviews_in_one_turn_of_the_event_loop_only_the_last_one_waits_for_the_log_so_that_their_pods_do_not_add_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert order_of_two(caplog, in_one_turn=True) == [*ONE, "request", "log review", *ONE[1:], "log review"]
