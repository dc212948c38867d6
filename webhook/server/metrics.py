"""The metrics, and what each is for. Names and labels are kept; label values come from closed sets, so there is no cardinality to fear."""

from __future__ import annotations

import ssl
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from webhook import __version__
from webhook.core.cluster import NativeSupport

DURATION_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
"""Seconds. A review takes a fraction of a millisecond; the API server's own histogram starts at 5 ms."""

PREFIX: Final = "airflow_sidecar_webhook"


class Metrics:
    """One set for one process, on a registry of its own."""

    def __init__(self, *, keeps_certificates: bool = True) -> None:
        """Make all of them; those of ``certificates: self-managed`` are shown only where ``keeps_certificates``."""
        # A _created series beside every counter doubles them and says only when this process started.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.reviews = Counter(
            f"{PREFIX}_reviews",
            "Reviews answered, by result (wrapped, labelled, left, unchanged, skipped), reason and dry run.",
            ("result", "reason", "dry_run"),
            registry=self.registry,
        )
        self.review_seconds = Histogram(
            f"{PREFIX}_review_duration_seconds",
            "From the whole body read to the answer ready.",
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self.invalid_annotations = Counter(
            f"{PREFIX}_bad_annotations",
            "Annotations of ours that mean nothing, by annotation (other: no such annotation).",
            ("annotation",),
            registry=self.registry,
        )
        self.refused = Counter(
            f"{PREFIX}_refused_requests",
            "Requests that were no review, by HTTP status.",
            ("status",),
            registry=self.registry,
        )
        self.faults = Counter(f"{PREFIX}_faults", "Reviews in which this webhook itself failed: each is a bug.", registry=self.registry)
        self.in_flight = Gauge(f"{PREFIX}_requests_in_flight", "Requests that are being read or answered.", registry=self.registry)
        self.reloads = Counter(
            f"{PREFIX}_certificate_reloads",
            "Changes of the serving certificate, in its files or self-managed, by result (loaded, refused).",
            ("result",),
            registry=self.registry,
        )
        self.not_after = Gauge(
            f"{PREFIX}_certificate_not_after_timestamp_seconds",
            "When the serving certificate expires, as a Unix time.",
            registry=self.registry,
        )
        self._add_kept_certificate(self.registry if keeps_certificates else None)
        self._add_cluster()
        self.build = Gauge(f"{PREFIX}_build_info", "1, with the version.", ("version", "openssl"), registry=self.registry)
        self.build.labels(__version__, ssl.OPENSSL_VERSION).set(1)
        for result in ("loaded", "refused"):
            self.reloads.labels(result)
        ProcessCollector(registry=self.registry)

    def _add_kept_certificate(self, registry: CollectorRegistry | None) -> None:
        """What a service tells that keeps its own certificates. Of any other a 0 would say that its authority expired in 1970."""
        self.authority_not_after = Gauge(
            f"{PREFIX}_authority_not_after_timestamp_seconds",
            "When the youngest authority that can sign expires, as a Unix time; 0 before one was seen. Only where self-managed.",
            registry=registry,
        )
        self.bundle_in_sync = Gauge(
            f"{PREFIX}_ca_bundle_in_sync",
            "1 while the caBundle is what the authorities ask for, else 0: without a configuration, too. Only where self-managed.",
            registry=registry,
        )
        self.certificate_errors = Counter(
            f"{PREFIX}_certificate_errors",
            "Looks at Secret and configuration that failed, in reading or in writing. Only where self-managed.",
            registry=registry,
        )
        self.certificate_look_age = Gauge(
            f"{PREFIX}_certificate_look_age_seconds",
            "Since Secret and configuration were last read, or since the start: ten seconds or so is usual. Only where self-managed.",
            registry=registry,
        )

    def _add_cluster(self) -> None:
        """What the watcher tells; without a cluster to watch there is the support alone."""
        self.native_support = Gauge(
            f"{PREFIX}_native_support",
            f"1 for what holds of native sidecars on this cluster ({', '.join(NativeSupport)}), else 0.",
            ("support",),
            registry=self.registry,
        )
        self.nodes = Gauge(
            f"{PREFIX}_cluster_nodes",
            "Nodes that are there, by kind; the virtual ones are left out of the count of kubelets.",
            ("kind",),
            registry=self.registry,
        )
        self.look_age = Gauge(
            f"{PREFIX}_cluster_look_age_seconds",
            "Since the API server last told of this resource, or since the start: a minute or so is usual.",
            ("resource",),
            registry=self.registry,
        )
        self.cluster_errors = Counter(
            f"{PREFIX}_cluster_errors",
            "Looks at the cluster that came to nothing, by resource.",
            ("resource",),
            registry=self.registry,
        )
