"""Pods that are stuck: the task has ended, and a known sidecar keeps the pod Running."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from webhook.core import ContainerKind
from webhook.doctor.finding import Finding, FindingId, found

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from webhook.core import Progress

STUCK_AFTER: Final = timedelta(minutes=3)
"""The longest drain of a known sidecar, Linkerd's, takes two minutes; until then a pod is ending, not stuck."""


def check_task_pods(namespace: str, task_pods: Sequence[Progress], now: datetime) -> Finding:
    """The stuck pods by name, or that there are none."""
    stuck = [pod.name for pod in task_pods if is_stuck(pod, now)]
    if stuck:
        return found(FindingId.STUCK_PODS, pods=", ".join(stuck))
    return found(FindingId.NO_STUCK_PODS, namespace=namespace, count=len(task_pods))


def is_stuck(progress: Progress, now: datetime) -> bool:
    """Whether the task ended more than `STUCK_AFTER` ago, and a known sidecar runs."""
    return has_had_grace(progress, now) and any(one.kind is ContainerKind.SIDECAR for one in progress.unfinished)


def has_had_grace(progress: Progress, now: datetime) -> bool:
    """Whether the task ended more than `STUCK_AFTER` ago, or at a time that nobody knows."""
    end = progress.task_end
    return end is not None and (end.finished_at is None or now - end.finished_at > STUCK_AFTER)
