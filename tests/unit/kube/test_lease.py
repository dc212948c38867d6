"""Replicas hold a Lease in turn, by the election of the kubernetes package, on clocks that the test sets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from testbed import wait
from tests.support.fake_lease_api import FakeLeaseApi
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError, UnreachableError, UnreadableError
from webhook.kube.leadership import THREAD_NAME, Leadership
from webhook.kube.lease import LEASE_SECONDS, MEMORY_ANNOTATION, RENEW_SECONDS, Lease, LeaseReleasedError

if TYPE_CHECKING:
    from kubernetes.leaderelection.leaderelection import LeaderElection

DEADLINE_SECONDS = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


@dataclass
class ReplicaClock:
    """The time of one replica, in seconds."""

    seconds: float = 1000.0


@dataclass
class LeaseCandidate:
    """A replica, whose election makes one attempt at a time."""

    api: FakeLeaseApi
    identity: str
    clock: ReplicaClock
    taken: list[tuple[int, str]] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lease = Lease(self.api, "infra", "reaper", self.identity, self, lambda: self.clock.seconds)
        self.leadership = Leadership(self.lease, self)
        self._election: LeaderElection = self.leadership._election()

    def attempt(self) -> bool:
        """Take or renew the Lease, if that is possible."""
        return bool(self._election.try_acquire_or_renew())  # type: ignore[no-untyped-call]

    def lease_taken(self, term: int, memory: str) -> None:
        self.taken.append((term, memory))

    def lease_failed(self, problem: Exception) -> None:
        self.problems.append(problem)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ReplicaClock:
    clock = ReplicaClock()
    monkeypatch.setattr("kubernetes.leaderelection.leaderelection.time.time", lambda: clock.seconds)
    return clock


@pytest.fixture
def api() -> FakeLeaseApi:
    return FakeLeaseApi()


@pytest.fixture
def one(api: FakeLeaseApi, clock: ReplicaClock) -> LeaseCandidate:
    return LeaseCandidate(api, "one", clock)


@pytest.fixture
def other(api: FakeLeaseApi, clock: ReplicaClock) -> LeaseCandidate:
    return LeaseCandidate(api, "other", clock)


def test_the_first_replica_holds_the_lease_and_the_other_waits(api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate) -> None:
    assert (one.attempt(), other.attempt()) == (True, False)
    assert (one.lease.is_held, other.lease.is_held, api.holder) == (True, False, "one")
    assert (one.taken, other.taken) == ([(1, "")], [])


def test_a_holder_that_renews_it_keeps_it(api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate, clock: ReplicaClock) -> None:
    one.attempt()
    for _ in range(20):
        clock.seconds += 2
        assert (one.attempt(), other.attempt()) == (True, False)
    assert (api.holder, one.taken) == ("one", [(1, "")])


def test_a_holder_that_does_not_renew_it_stops_before_another_takes_it(
    api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate, clock: ReplicaClock
) -> None:
    one.attempt()
    other.attempt()
    clock.seconds += RENEW_SECONDS
    assert (one.lease.is_held, other.attempt()) == (False, False)
    clock.seconds += LEASE_SECONDS - RENEW_SECONDS
    assert other.attempt()
    assert (api.holder, other.lease.is_held) == ("other", True)
    assert api.stored is not None
    assert api.stored["spec"]["leaseTransitions"] == 1


def test_who_takes_it_over_gets_the_memory_of_the_holder_before(
    api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate, clock: ReplicaClock
) -> None:
    one.attempt()
    one.lease.put_memory(1, "quit sent to sales")
    assert one.lease.write_memory(1)
    other.attempt()
    clock.seconds += LEASE_SECONDS
    other.attempt()

    assert other.taken == [(1, "quit sent to sales")]
    assert api.stored is not None
    assert api.stored["metadata"]["annotations"] == {MEMORY_ANNOTATION: "quit sent to sales"}


def test_a_memory_that_is_written_already_costs_no_request(api: FakeLeaseApi, one: LeaseCandidate) -> None:
    one.attempt()
    one.lease.put_memory(1, "a")
    one.lease.write_memory(1)
    before = len(api.requests)
    assert one.lease.write_memory(1)
    assert len(api.requests) == before


def test_a_renewal_writes_the_memory_too(api: FakeLeaseApi, one: LeaseCandidate) -> None:
    one.attempt()
    one.lease.put_memory(1, "a")
    one.attempt()
    assert api.stored is not None
    assert api.stored["metadata"]["annotations"] == {MEMORY_ANNOTATION: "a"}


def test_a_holder_that_was_replaced_writes_no_memory_whatever_its_clock_shows(
    api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.attempt()
    other.attempt()
    # The other's clock jumps: it takes the Lease early, while this one still counts itself as the holder.
    monkeypatch.setattr("kubernetes.leaderelection.leaderelection.time.time", lambda: 5000.0)
    other.attempt()
    one.lease.put_memory(1, "a")

    assert one.lease.is_held
    assert not one.lease.write_memory(1)
    assert (one.lease.is_held, api.holder) == (False, "other")


def test_a_memory_of_an_earlier_term_is_ignored(one: LeaseCandidate, other: LeaseCandidate, clock: ReplicaClock) -> None:
    one.attempt()
    clock.seconds += RENEW_SECONDS
    assert not one.lease.is_held
    one.attempt()
    assert one.taken == [(1, ""), (2, "")]
    one.lease.put_memory(1, "old")
    assert not one.lease.write_memory(1)
    one.lease.put_memory(2, "new")
    assert one.lease.write_memory(2)
    del other


def test_a_released_lease_is_taken_at_once_and_not_again_by_who_released_it(
    api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate
) -> None:
    one.attempt()
    other.attempt()
    one.leadership.stop()
    assert (one.lease.is_held, api.holder) == (False, "")
    with pytest.raises(LeaseReleasedError):
        one.attempt()
    assert other.attempt()
    assert api.holder == "other"


def test_who_never_held_it_releases_nothing(api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate) -> None:
    one.attempt()
    other.leadership.stop()
    assert api.holder == "one"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (UnreachableError("connection refused"), "connection refused"),
        (Response(403, b'{"message": "leases is forbidden"}', None), "403 leases is forbidden"),
        (Response(200, b"<html>", None), "the response to a request for the Lease is no JSON object"),
    ],
)
def test_a_lease_that_cannot_be_read_is_reported_and_tried_again(
    problem: Exception | Response, message: str, api: FakeLeaseApi, one: LeaseCandidate
) -> None:
    api.problems.append(problem)
    assert not one.attempt()
    assert [str(one) for one in one.problems] == [message]
    assert isinstance(one.problems[0], (UnreachableError, RefusedError, UnreadableError))
    assert one.attempt()


def test_a_lease_that_somebody_else_edits_is_given_up(api: FakeLeaseApi, one: LeaseCandidate) -> None:
    one.attempt()
    assert api.stored is not None
    api.stored["spec"]["holderIdentity"] = "somebody"
    assert (one.attempt(), one.lease.is_held) == (False, False)


def test_two_that_create_it_at_the_same_time_do_not_both_hold_it(api: FakeLeaseApi, one: LeaseCandidate, other: LeaseCandidate) -> None:
    api.problems.append(Response(404, b"{}", None))
    one.attempt()
    api.problems.append(Response(404, b"{}", None))
    assert not other.attempt()
    assert (one.lease.is_held, other.lease.is_held, other.problems) == (True, False, [])


def test_the_thread_takes_the_lease_and_releases_it_at_the_end(api: FakeLeaseApi) -> None:
    replica = LeaseCandidate(api, "one", ReplicaClock())
    replica.leadership.start()
    wait.until(lambda: replica.lease.is_held, "the thread takes the Lease", DEADLINE_SECONDS)
    replica.leadership.stop()
    assert (api.holder, replica.lease.is_held) == ("", False)
    wait.until(lambda: THREAD_NAME not in [one.name for one in threading.enumerate()], "the thread ends", DEADLINE_SECONDS)
    assert replica.problems == []
