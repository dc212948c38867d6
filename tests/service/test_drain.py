"""The drain, as a client of the service sees it: nobody is refused or cut off between SIGTERM and the end."""

from __future__ import annotations

import http.client
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import injected_review, is_answered
from tests.service.running_service import DEADLINE_SECONDS, RunningService, eventually, running_service, send
from tests.support.oracles.admission import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAIN_SECONDS = 120
"""Longer than any test takes on a busy machine."""

AT_ONCE_SECONDS = 60


@pytest.fixture
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("drain"), drain_seconds=DRAIN_SECONDS) as service:
        is_answered(service)
        yield service


@pytest.fixture(scope="module")
def draining_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that has got its TERM, for tests that do not end it."""
    with running_service(tmp_path_factory.mktemp("drain"), drain_seconds=DRAIN_SECONDS) as service:
        is_answered(service)
        drain(service)
        yield service


def drain(service: RunningService) -> None:
    """Send a service its TERM, and wait until it drains."""
    service.process.send_signal(signal.SIGTERM)
    service.log(event="draining")


def test_it_is_no_longer_ready_and_still_alive(draining_service: RunningService) -> None:
    ready, alive = draining_service.health("/readyz"), draining_service.health("/healthz")
    assert (ready.status, ready.body, alive.status) == (503, b"draining\n", 200)
    assert draining_service.metric("ready") == 0


def test_new_connections_are_answered_and_learn_that_it_was_the_last_answer(draining_service: RunningService) -> None:
    review = injected_review()
    reply = send(draining_service.connect(), review)
    verify(review, reply.body)
    assert reply.headers["connection"] == "close"


def test_a_kept_alive_connection_is_answered_once_more_and_then_closed(own_service: RunningService) -> None:
    connection = own_service.connect()
    assert send(connection, injected_review()).headers.get("connection") != "close"
    drain(own_service)
    reply = send(connection, injected_review())
    assert (reply.status, reply.headers["connection"]) == (200, "close")


def test_it_ends_by_itself_with_code_0(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_service(tmp_path_factory.mktemp("drain"), drain_seconds=1) as service:
        is_answered(service)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(DEADLINE_SECONDS) == 0
        service.log(event="stopped")
        assert [line["event"] for line in service.logs][-3:] == ["draining", "stopping", "stopped"]


def test_a_second_term_ends_it_at_once(own_service: RunningService) -> None:
    drain(own_service)
    own_service.process.send_signal(signal.SIGTERM)
    assert own_service.process.wait(AT_ONCE_SECONDS) == 0


def test_from_term_to_the_end_no_request_is_refused_or_reset(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Like the API server: over connections that stay open, with a new one after an answer that closes the old one, until Service endpoints change."""
    failures: list[str] = []
    answered = [0] * 4
    heard = threading.Event()

    def send_reviews(number: int, service: RunningService) -> None:
        connection = service.connect()
        while not heard.is_set():
            try:
                reply = send(connection, injected_review())
            except (OSError, http.client.HTTPException) as problem:
                failures.append(repr(problem))
                return
            answered[number] += reply.status == 200
            if reply.headers.get("connection") == "close":
                connection.close()
                connection = service.connect()
        connection.close()

    with running_service(tmp_path_factory.mktemp("drain"), drain_seconds=DRAIN_SECONDS) as service:
        threads = [threading.Thread(target=send_reviews, args=(number, service)) for number in range(len(answered))]
        for thread in threads:
            thread.start()
        assert eventually(lambda: min(answered) > 20)
        service.process.send_signal(signal.SIGTERM)
        before = sum(answered)
        service.log(event="draining")
        assert eventually(lambda: sum(answered) > before + 100), "it goes on answering"
        heard.set()
        for thread in threads:
            thread.join()
        assert failures == []
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(AT_ONCE_SECONDS) == 0
