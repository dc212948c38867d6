"""For how long pods occupied slots after their task, and in which week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.core import default_policy, read_progress
from webhook.report.wasted_time import USUAL, WEEK, WEEKS, WastedTime, first_week, start_of_week, wasted_time

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""

TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 4), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis adds the zone


def wasted_by(pod: JSONObject) -> WastedTime | None:
    """What this pod wasted."""
    progress = read_progress(pod, default_policy().catalogue)
    assert progress is not None
    return wasted_time(progress, NOW)


def whole(pod: JSONObject, phase: str) -> JSONObject:
    """The pod in this phase."""
    pod["status"]["phase"] = phase
    return pod


def test_a_running_pod_wastes_its_slot_from_the_end_of_its_task_until_now() -> None:
    at = NOW - timedelta(hours=3)

    assert wasted_by(live_pod({"base": ended(at=at), "istio-proxy": RUNNING}, ISTIO)) == WastedTime(at, NOW)


def test_an_ended_pod_wasted_its_slot_until_its_last_container_ended() -> None:
    at = NOW - timedelta(days=2)
    pod = live_pod({"base": ended(at=at), "istio-proxy": ended(at=at + timedelta(hours=5))}, ISTIO)

    assert wasted_by(whole(pod, "Succeeded")) == WastedTime(at, at + timedelta(hours=5))


@pytest.mark.parametrize("after", [timedelta(), USUAL - timedelta(seconds=1)], ids=str)
def test_a_pod_that_ends_soon_after_its_task_wasted_nothing(after: timedelta) -> None:
    at = NOW - timedelta(days=2)

    assert wasted_by(whole(live_pod({"base": ended(at=at), "istio-proxy": ended(at=at + after)}, ISTIO), "Succeeded")) is None


@pytest.mark.parametrize(
    "pod",
    [
        live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO),
        live_pod({"base": ended(at=None), "istio-proxy": RUNNING}, ISTIO),
        whole(live_pod({"base": ended(at=NOW - timedelta(days=2)), "istio-proxy": ended(at=None)}, ISTIO), "Succeeded"),
        whole(live_pod({"base": ended(at=NOW + timedelta(days=2)), "istio-proxy": ended(at=NOW + timedelta(days=9))}, ISTIO), "Failed"),
        live_pod({"base": ended(at=NOW + timedelta(days=2)), "istio-proxy": RUNNING}, ISTIO),
    ],
    ids=["the task runs", "no time of the task", "no time of the sidecar", "times to come", "a running one's time to come"],
)
def test_a_pod_whose_times_are_not_known_wasted_nothing(pod: JSONObject) -> None:
    assert wasted_by(pod) is None


def test_of_a_wasted_time_only_the_weeks_that_are_shown_count() -> None:
    pod = live_pod({"base": ended(at=datetime(1, 1, 1, tzinfo=UTC)), "istio-proxy": RUNNING}, ISTIO)
    wasted = wasted_by(pod)

    assert wasted == WastedTime(first_week(NOW), NOW)
    assert wasted is not None
    assert len(list(wasted.by_week())) == WEEKS


def test_a_wasted_time_is_shared_among_its_weeks_from_monday_to_monday() -> None:
    saturday = datetime(2026, 2, 21, 12, tzinfo=UTC)
    shares = dict(WastedTime(saturday, saturday + timedelta(days=10)).by_week())

    assert {f"{monday}": share for monday, share in shares.items()} == {
        "2026-02-16": timedelta(days=1, hours=12),
        "2026-02-23": timedelta(days=7),
        "2026-03-02": timedelta(days=1, hours=12),
    }


@given(TIMES, TIMES)
def test_the_shares_are_as_long_as_the_wasted_time_and_none_is_longer_than_a_week(one: datetime, other: datetime) -> None:
    wasted = WastedTime(min(one, other), max(one, other))
    shares = list(wasted.by_week())

    assert sum((share for _monday, share in shares), timedelta()) == wasted.ends - wasted.begins
    assert all(timedelta() < share <= WEEK for _monday, share in shares)


@given(TIMES)
def test_a_week_starts_on_the_monday_before(time: datetime) -> None:
    monday = start_of_week(time)

    assert monday.weekday() == 0
    assert timedelta() <= time - monday < WEEK
