"""Pods that are stuck: the task has ended, and a known sidecar keeps the pod Running."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import ContainerKind, read_progress

if TYPE_CHECKING:
    from datetime import datetime

    from webhook.core import Catalogue, Progress

GRACE: Final = timedelta(minutes=3)
"""The longest drain of a known sidecar, Linkerd's, takes two minutes; until then a pod is ending, not stuck."""


class TaskPod(msgspec.Struct, frozen=True):
    """A task pod of Airflow's.

    Args:
        name: Its name.
        is_stuck: Whether its task ended more than `GRACE` ago while a known sidecar runs.

    """

    name: str
    is_stuck: bool


def read_task_pod(data: bytes, catalogue: Catalogue, now: datetime) -> TaskPod | None:
    """A pod as the API server returns it; None: it is not Airflow's, or is not meant to end. MalformedPodError."""
    progress = read_progress(data, catalogue)
    return None if progress is None else TaskPod(progress.name, _is_stuck(progress, now))


def _is_stuck(progress: Progress, now: datetime) -> bool:
    end = progress.task_end
    if end is None or (end.finished_at is not None and now - end.finished_at <= GRACE):
        return False
    return any(container.kind is ContainerKind.SIDECAR for container in progress.unfinished)
