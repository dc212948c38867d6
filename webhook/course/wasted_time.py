"""The time for which a pod occupies a slot of Airflow after its task: wasted, and added up in slot-hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core import Progress

USUAL: Final = timedelta(minutes=1)
"""A pod that ends so soon after its task wastes nothing: the kubelet and sidecars that drain take some seconds."""

HOUR: Final = timedelta(hours=1)


class WastedTime(msgspec.Struct, frozen=True):
    """The time from the end of a pod's task to the end of the pod.

    Args:
        begins: When the task ended.
        ends: When the pod ended; of one that is still Running, now.

    """

    begins: datetime
    ends: datetime


def wasted_by(pod: Progress, now: datetime) -> WastedTime | None:
    """What a task pod, which may have ended, wasted until now; None as in `wasted_time`."""
    return wasted_time(pod.task_end.finished_at if pod.task_end else None, now if pod.outlives_task else pod.ended_at, now)


def wasted_time(task_ended_at: datetime | None, pod_ended_at: datetime | None, now: datetime) -> WastedTime | None:
    """What a pod wasted until now; None: nothing, or the kubelet does not say when one of the two ended."""
    if task_ended_at is None or pod_ended_at is None:
        return None
    ends = min(pod_ended_at, now)
    return WastedTime(task_ended_at, ends) if ends - task_ended_at >= USUAL else None


def slot_hours(times: Iterable[WastedTime | None]) -> float:
    """The sum of the wasted times of pods, in hours; None counts 0."""
    return sum((one.ends - one.begins for one in times if one is not None), timedelta()) / HOUR
