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
    end = progress.task_end
    if end is None or (end.finished_at is not None and now - end.finished_at <= STUCK_AFTER):
        return False
    return any(container.kind is ContainerKind.SIDECAR for container in progress.unfinished)
