"""The metrics of the reaper. Label values come from closed sets and from the namespaces it is given, so the number of series is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "airflow_sidecar_webhook_reaper"

LEFT_PODS: Final = "left-pods"
"""Stands among the resources for the pods that the webhook left and that have not started: they have a watch of their own."""

AFTER_TASK_BUCKETS: Final = (5, 15, 30, 45, 60, 120, 300, 900, 3600, 14400, 86400)
"""Seconds. The default grace is 30; a pod that nobody ends may stay for days."""


class ReaperMetrics:
    """One set for one process, on a registry of its own."""

    def __init__(self) -> None:
        """Create all metrics."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._shown: dict[tuple[str, str], int] = {}
        self.stuck_pods = Gauge(
            f"{PREFIX}_stuck_pods",
            "Running pods whose task has ended, but not those in their grace, by namespace and reason. Only the replica that acts has any.",
            ("namespace", "reason"),
            registry=self.registry,
        )
        self.running_after_task = Histogram(
            f"{PREFIX}_running_after_task_seconds",
            "Seconds for which a pod stayed Running after its task had ended, counted once the pod no longer runs.",
            buckets=AFTER_TASK_BUCKETS,
            registry=self.registry,
        )
        self.acts = Counter(
            f"{PREFIX}_acts",
            "Acts on pods, by sidecar (its id in the catalogue; described: only the pod's annotation describes it; empty: the whole pod), "
            "method and outcome.",
            ("sidecar", "method", "outcome"),
            registry=self.registry,
        )
        self.under_way = Gauge(f"{PREFIX}_acts_under_way", "Acts that have begun and have no outcome yet.", registry=self.registry)
        self.queue_length = Gauge(
            f"{PREFIX}_queue_length",
            "Entries that wait, by queue: changes of pods and outcomes of acts that are to be processed (changes), "
            "acts for which no worker is free (acts).",
            ("queue",),
            registry=self.registry,
        )
        self.is_leader = Gauge(
            f"{PREFIX}_is_leader", "1 on the replica that holds the Lease, and acts; 0 on the others.", registry=self.registry
        )
        self.watch_last_read = Gauge(
            f"{PREFIX}_watch_last_read_timestamp_seconds",
            "When a list or watch was last read successfully, as a Unix time, by resource and namespace (empty: all); normally at most "
            "about 60 s ago; the start before the first read.",
            ("resource", "namespace"),
            registry=self.registry,
        )
        self.errors = Counter(
            f"{PREFIX}_errors",
            "Failed requests to the Kubernetes API but those of acts, by resource (pods, left-pods, namespaces, leases, events).",
            ("resource",),
            registry=self.registry,
        )
        self.faults = Counter(f"{PREFIX}_faults", "Failures inside the reaper. Each is a bug.", registry=self.registry)
        self.log_lines_dropped = Counter(
            f"{PREFIX}_log_lines_dropped", "Log lines lost because stdout was not read in time.", registry=self.registry
        )
        self.build = Gauge(
            f"{PREFIX}_build_info", "Always 1; its label is the version of the reaper.", ("version",), registry=self.registry
        )
        for queue in ("changes", "acts"):
            self.queue_length.labels(queue)
        self.build.labels(__version__).set(1)
        for resource in ("pods", LEFT_PODS, "namespaces", "leases", "events"):
            self.errors.labels(resource)
        ProcessCollector(registry=self.registry)

    def show_stuck(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Set the number of stuck pods, by namespace and reason; there are no others.

        Only what has changed is set: to make a series takes 20 us, and there may be some for each namespace.
        """
        for gone in self._shown.keys() - counts.keys():
            self.stuck_pods.remove(*gone)
        for labels, count in counts.items():
            if self._shown.get(labels) != count:
                self.stuck_pods.labels(*labels).set(count)
        self._shown = dict(counts)
