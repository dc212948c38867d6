"""For how long pods occupied slots of Airflow after their task, week by week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Progress

USUAL: Final = timedelta(minutes=1)
"""A pod that ends so soon after its task wastes nothing: the kubelet and sidecars that drain take some seconds."""

WEEKS: Final = 12
"""Weeks that are shown, the current one included: Kubernetes seldom has a pod for longer."""

WEEK: Final = timedelta(weeks=1)
HOUR: Final = timedelta(hours=1)


class WastedTime(msgspec.Struct, frozen=True):
    """The time from the end of a pod's task to the end of the pod.

    Args:
        begins: When the task ended.
        ends: When the pod ended; of one that is still Running, now.

    """

    begins: datetime
    ends: datetime

    def by_week(self) -> Iterator[tuple[date, timedelta]]:
        """Its share of each week, by the Monday (UTC) with which that begins."""
        begins = self.begins
        while begins < self.ends:
            next_monday = start_of_week(begins) + WEEK
            yield start_of_week(begins).date(), min(self.ends, next_monday) - begins
            begins = next_monday


def wasted_time(pod: Progress, now: datetime) -> WastedTime | None:
    """For how long a pod occupied its slot after its task, in the weeks that are shown; None: it did not, or the kubelet does not say."""
    task_ended_at = pod.task_end.finished_at if pod.task_end else None
    ends = now if pod.unfinished else pod.ended_at
    if task_ended_at is None or ends is None or ends - task_ended_at < USUAL:
        return None
    begins = max(task_ended_at, first_week(now))
    return WastedTime(begins, min(ends, now)) if begins < min(ends, now) else None


def start_of_week(time: datetime) -> datetime:
    """The Monday, at midnight UTC, on or before this time."""
    day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def first_week(now: datetime) -> datetime:
    """The start of the first week that is shown."""
    return start_of_week(now) - (WEEKS - 1) * WEEK
