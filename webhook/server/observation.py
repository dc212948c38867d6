"""Logs and metrics of each review, from the same outcome: one line, and never args, env or patch values.

The line is a warning where a person has to act: the pod was left, or an annotation is invalid. It then names DAG, task and sidecars.
That an audited pod would be left is no such case.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from webhook.core import POD_OPTIONS, EntrypointSource, Treatment
from webhook.server.pod_counter import PodCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter

    from webhook.core import Outcome, ReviewRequest
    from webhook.server.metrics import Metrics

LOG = logging.getLogger("webhook.review")


class Observation:
    """Logs and counts reviews."""

    def __init__(self, metrics: Metrics, write_info: Callable[[str, str, dict[str, Any]], None]) -> None:
        """Count into these metrics; ``write_info`` writes a line of a logger, with its event and its fields (see `JsonLog`)."""
        self.metrics = metrics
        self._write_info = write_info
        self._pods = PodCounter(metrics)
        self._reviews = lru_cache(maxsize=256)(self._review_counter)

    def reviewed(self, request: ReviewRequest, outcome: Outcome, seconds: float) -> None:
        """A review was answered, ``seconds`` after the end of its body."""
        result = outcome.result
        self._reviews(result, outcome.reason, request.dry_run).inc()
        self.metrics.review_seconds.observe(seconds)
        for invalid in outcome.invalid_annotations.named:
            self.metrics.invalid_annotations.labels(invalid.key if invalid.key in POD_OPTIONS else "other").inc()
        if outcome.invalid_annotations.more:
            self.metrics.invalid_annotations.labels("other").inc(outcome.invalid_annotations.more)
        if outcome.status is not None and outcome.status.entrypoint is EntrypointSource.GUESSED and outcome.status.would_be is None:
            self.metrics.guessed_entrypoints.inc()
        if not request.dry_run:
            self._pods.count(request.namespace, outcome)
        if _needs_person(request, outcome, result):
            LOG.warning("review", extra={"fields": _fields(request, outcome, result, seconds) | _for_person(request, outcome)})
        elif LOG.isEnabledFor(logging.INFO):
            self._write_info(LOG.name, "review", _fields(request, outcome, result, seconds))

    def failed(self, request: ReviewRequest, fault: Exception) -> None:
        """The webhook failed inside a review."""
        self.metrics.faults.inc()
        LOG.error("fault", exc_info=fault, extra={"fields": _identity(request)})

    def refused(self, status: int, problem: str) -> None:
        """A request was refused before it was a review."""
        self.metrics.refused.labels(str(status)).inc()
        LOG.warning("refused", extra={"fields": {"status": status, "problem": problem}})

    def _review_counter(self, result: str, reason: str, dry_run: bool) -> Counter:  # noqa: FBT001
        return self.metrics.reviews.labels(result, reason, str(dry_run).lower())


def _needs_person(request: ReviewRequest, outcome: Outcome, result: str) -> bool:
    """Whether somebody has to act, and was not warned by an earlier review; of a skipped pod, which has no status, that is not known."""
    if request.dry_run:
        return False
    return result == Treatment.LEFT or (bool(outcome.invalid_annotations.named) and outcome.before.reason is None)


def _for_person(request: ReviewRequest, outcome: Outcome) -> dict[str, object]:
    """Whose pod it is, and how each container beside the task ends."""
    pod = request.pod
    ends = outcome.status.sidecars if outcome.status else {}
    return {
        "dag": pod.dag_id if pod else "",
        "task": pod.task_id if pod else "",
        "sidecars": [f"{name}: {end}" for name, end in ends.items()],
    }


def _identity(request: ReviewRequest) -> dict[str, object]:
    return {
        "uid": request.uid,
        "namespace": request.namespace,
        "name": request.name,
        "operation": request.operation,
        "dry_run": request.dry_run,
    }


def _fields(request: ReviewRequest, outcome: Outcome, result: str, seconds: float) -> dict[str, object]:
    invalid = outcome.invalid_annotations
    keys: list[object] = [one.key for one in invalid.named]
    return {
        **_identity(request),
        "result": result,
        "reason": outcome.reason,
        "operations": len(outcome.operations),
        "invalid_annotations": [*keys, f"{invalid.more} more"] if invalid.more else keys,
        "duration_seconds": round(seconds, 6),
        **_of_audit(request, outcome),
    }


def _of_audit(request: ReviewRequest, outcome: Outcome) -> dict[str, object]:
    """What an audited pod would be, and whose it is: the log is read for that."""
    if outcome.status is None or outcome.status.would_be is None:
        return {}
    return {"would_be": outcome.status.would_be, **_for_person(request, outcome)}
