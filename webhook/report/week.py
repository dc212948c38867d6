"""The weeks of the report, each from Monday to Monday in UTC, and how a wasted time is shared among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.course.wasted_time import WastedTime

WEEKS: Final = 12
"""Weeks that are shown, the current one included: Kubernetes seldom has a pod for longer."""

WEEK: Final = timedelta(weeks=1)


def by_week(wasted: WastedTime, now: datetime) -> Iterator[tuple[date, timedelta]]:
    """The share of each week that is shown, by the Monday with which it begins."""
    begins = max(wasted.begins, first_week(now))
    while begins < wasted.ends:
        next_monday = start_of_week(begins) + WEEK
        yield start_of_week(begins).date(), min(wasted.ends, next_monday) - begins
        begins = next_monday


def start_of_week(time: datetime) -> datetime:
    """The Monday, at midnight UTC, on or before this time."""
    day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def first_week(now: datetime) -> datetime:
    """The start of the first week that is shown."""
    return start_of_week(now) - (WEEKS - 1) * WEEK
