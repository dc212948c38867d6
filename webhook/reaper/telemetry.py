"""What the reaper logs and counts: one line for each act and for each notice, and for a failure when it begins and when it is over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from webhook.kube.errors import ClusterError
from webhook.reaper.decision import ALL_NAMESPACES
from webhook.reaper.metrics import LEFT_PODS

if TYPE_CHECKING:
    from webhook.core import Progress
    from webhook.reaper.act import ActResult
    from webhook.reaper.agenda import Agenda, DueAct
    from webhook.reaper.metrics import ReaperMetrics
    from webhook.reaper.notice import Notice
    from webhook.reaper.scope import ReaperScope

LOG: Final = logging.getLogger("webhook.reaper")

DESCRIBED: Final = "described"
"""Stands in the metrics for each sidecar that is not in the catalogue."""


class ReaperTelemetry:
    """Logs, and sets the metrics. Threads may share it."""

    def __init__(self, metrics: ReaperMetrics, scope: ReaperScope) -> None:
        """Nothing has been read yet."""
        self._metrics = metrics
        self._rows = frozenset(row.id for row in scope.catalogue.sidecars)
        self._problems: dict[str, str] = {}
        places = scope.namespaces or (ALL_NAMESPACES,)
        watches = [(resource, namespace) for namespace in places for resource in ("pods", LEFT_PODS)]
        if not scope.namespaces:
            watches.append(("namespaces", ALL_NAMESPACES))
        self._last_read = {watch: metrics.watch_last_read.labels(*watch) for watch in watches}
        for last_read in self._last_read.values():
            last_read.set_to_current_time()

    def pods_read(self, namespace: str) -> None:
        """The pods of a namespace were read."""
        self._last_read["pods", namespace].set_to_current_time()
        self._repaired(f"pods of {namespace}")

    def pods_failed(self, namespace: str, problem: Exception) -> None:
        """The pods of a namespace could not be read."""
        self._failed("pods", f"pods of {namespace}", problem)

    def left_pods_read(self, namespace: str) -> None:
        """The pods of a namespace that the webhook left were read."""
        self._last_read[LEFT_PODS, namespace].set_to_current_time()
        self._repaired(f"left pods of {namespace}")

    def left_pods_failed(self, namespace: str, problem: Exception) -> None:
        """The pods of a namespace that the webhook left could not be read."""
        self._failed(LEFT_PODS, f"left pods of {namespace}", problem)

    def namespaces_read(self) -> None:
        """The namespaces were read."""
        self._last_read["namespaces", ALL_NAMESPACES].set_to_current_time()
        self._repaired("namespaces")

    def namespaces_failed(self, problem: Exception) -> None:
        """The namespaces could not be read."""
        self._failed("namespaces", "namespaces", problem)

    def lease_failed(self, problem: Exception) -> None:
        """The Lease could not be read or written."""
        self._failed("leases", "lease", problem)

    def lease_held(self, term: int) -> None:
        """This replica acts from now on."""
        self._repaired("lease")
        self._metrics.is_leader.set(1)
        LOG.info("lease taken", extra={"fields": {"term": term}})

    def lease_lost(self) -> None:
        """Another replica acts from now on."""
        self._metrics.is_leader.set(0)
        LOG.info("lease lost")

    def memory_lost(self, problem: Exception) -> None:
        """The memory on the Lease cannot be decoded: what was done before is not known."""
        self._failed("leases", "memory", problem)

    def acted(self, due: DueAct, result: ActResult) -> None:
        """An act was carried out."""
        act = due.act
        self._metrics.acts.labels(self._row_of(due.pod, act.container), act.method, result.outcome).inc()
        fields = {"method": act.method, "container": act.container, "outcome": result.outcome, "detail": result.detail}
        LOG.info("act", extra={"fields": {**_identity(due.pod), **fields}})

    def noticed(self, notice: Notice) -> None:
        """There is a notice about a pod."""
        level = logging.WARNING if notice.kind.is_warning else logging.INFO
        LOG.log(level, "pod", extra={"fields": {**_identity(notice.pod), "notice": notice.kind, "note": notice.note}})

    def event_written(self, notice: Notice) -> None:
        """See `webhook.reaper.event_writer.EventListener`."""
        del notice
        self._repaired("event")

    def event_failed(self, notice: Notice, problem: Exception) -> None:
        """See `webhook.reaper.event_writer.EventListener`."""
        del notice
        self._failed("events", "event", problem)

    def pod_ended(self, seconds: float) -> None:
        """A pod no longer runs, so many seconds after its task had ended."""
        self._metrics.running_after_task.observe(seconds)

    def turned(self, agenda: Agenda, changes: int, acts: int, *, is_leading: bool) -> None:
        """The controller has made a turn; ``changes``: how many entries of its inbox wait; ``acts``: how many wait for a worker."""
        self._metrics.under_way.set(agenda.under_way)
        self._metrics.queue_length.labels("changes").set(changes)
        self._metrics.queue_length.labels("acts").set(acts)
        stuck = {(namespace, str(reason)): count for (namespace, reason), count in agenda.stuck().items()} if is_leading else {}
        self._metrics.show_stuck(stuck)

    def fault(self, problem: BaseException) -> None:
        """The reaper itself failed."""
        self._metrics.faults.inc()
        LOG.error("fault", exc_info=problem)

    def _row_of(self, pod: Progress, container: str) -> str:
        """The row of the catalogue of a container; one that the pod's own annotation describes could have any name."""
        row = next((one.sidecar.id for one in pod.running if one.name == container and one.sidecar is not None), "")
        return row if not row or row in self._rows else DESCRIBED

    def _failed(self, resource: str, what: str, problem: Exception) -> None:
        """Count a failure, and log it unless the previous one had the same text. What is not a ClusterError is a bug."""
        if not isinstance(problem, ClusterError):
            self.fault(problem)
            return
        self._metrics.errors.labels(resource).inc()
        text = str(problem)
        if self._problems.get(what) != text:
            self._problems[what] = text
            LOG.warning("request failed", extra={"fields": {"what": what, "problem": text}})

    def _repaired(self, what: str) -> None:
        if self._problems.pop(what, None) is not None:
            LOG.info("request succeeds again", extra={"fields": {"what": what}})


def _identity(pod: Progress) -> dict[str, Any]:
    return {"namespace": pod.namespace, "pod": pod.name, "uid": pod.uid, "dag": pod.dag, "task": pod.task}
