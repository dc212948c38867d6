"""How the wasted time of a pod is shared among the weeks of the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from webhook.course.wasted_time import WastedTime
from webhook.report.week import WEEK, WEEKS, by_week, first_week, start_of_week

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""

TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 4), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis adds the zone


def test_of_a_wasted_time_only_the_weeks_that_are_shown_count() -> None:
    shares = list(by_week(WastedTime(datetime(1, 1, 1, tzinfo=UTC), NOW), NOW))

    assert len(shares) == WEEKS
    assert sum((share for _monday, share in shares), timedelta()) == NOW - first_week(NOW)


def test_a_wasted_time_is_shared_among_its_weeks_from_monday_to_monday() -> None:
    saturday = datetime(2026, 2, 21, 12, tzinfo=UTC)
    shares = dict(by_week(WastedTime(saturday, saturday + timedelta(days=10)), NOW))

    assert {f"{monday}": share for monday, share in shares.items()} == {
        "2026-02-16": timedelta(days=1, hours=12),
        "2026-02-23": timedelta(days=7),
        "2026-03-02": timedelta(days=1, hours=12),
    }


@given(TIMES, TIMES)
def test_the_shares_are_as_long_as_the_wasted_time_and_none_is_longer_than_a_week(one: datetime, other: datetime) -> None:
    wasted = WastedTime(min(one, other), max(one, other))
    shares = list(by_week(wasted, NOW))

    assert sum((share for _monday, share in shares), timedelta()) == wasted.ends - wasted.begins
    assert all(timedelta() < share <= WEEK for _monday, share in shares)


@given(TIMES)
def test_a_week_starts_on_the_monday_before(time: datetime) -> None:
    monday = start_of_week(time)

    assert monday.weekday() == 0
    assert timedelta() <= time - monday < WEEK
