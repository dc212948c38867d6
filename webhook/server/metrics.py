"""The metrics. Label values come from closed sets, so the number of time series is bounded."""

from __future__ import annotations

import ssl
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from webhook import __version__
from webhook.core import NativeSupport

DURATION_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
"""Seconds. A review takes a fraction of a millisecond; the API server's own histogram starts at 5 ms."""

PREFIX: Final = "airflow_sidecar_webhook"


class Metrics:
    """One set for one process, on a registry of its own."""

    def __init__(self, *, has_self_managed_certificate: bool = True) -> None:
        """Create all metrics; those of ``certificates: self-managed`` are exposed only where ``has_self_managed_certificate``."""
        # A _created series for every counter would double their number and say only when this process started.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._add_reviews()
        self._add_requests()
        self._add_certificate()
        self._add_self_managed_certificate(self.registry if has_self_managed_certificate else None)
        self._add_cluster()
        self.build = Gauge(
            f"{PREFIX}_build_info",
            "Always 1; its labels are the versions of the webhook and of OpenSSL.",
            ("version", "openssl"),
            registry=self.registry,
        )
        self.build.labels(__version__, ssl.OPENSSL_VERSION).set(1)
        ProcessCollector(registry=self.registry)

    def _add_reviews(self) -> None:
        """Metrics of the reviews and of their log lines."""
        self.reviews = Counter(
            f"{PREFIX}_reviews",
            "Pod reviews answered, by result (native, wrapped, labelled, left, audited, unchanged, skipped), reason and dry run.",
            ("result", "reason", "dry_run"),
            registry=self.registry,
        )
        self.pods = Counter(
            f"{PREFIX}_pods",
            "Pods by namespace (other: beyond the first 100), treatment and reason. A pod counts at its first review, and once more if a "
            "later review of the same creation finds another reason. Without audited pods, skipped pods and dry runs.",
            ("namespace", "treatment", "reason"),
            registry=self.registry,
        )
        self.reclassified_pods = Counter(
            f"{PREFIX}_reclassified_pods",
            "Pods for which a later review of the same creation found another reason, by the reason before: pods_total minus these counts "
            "each pod once, for its final treatment.",
            ("namespace", "treatment", "reason"),
            registry=self.registry,
        )
        self.audited_pods = Counter(
            f"{PREFIX}_audited_pods",
            "Pods that were not changed because enforcement is audit, by namespace, reason and the treatment that they would get; counted "
            "like pods_total.",
            ("namespace", "treatment", "reason"),
            registry=self.registry,
        )
        self.reclassified_audited_pods = Counter(
            f"{PREFIX}_reclassified_audited_pods",
            "Audited pods for which a later review of the same creation found another reason, by the reason before: audited_pods_total "
            "minus these counts each audited pod once.",
            ("namespace", "treatment", "reason"),
            registry=self.registry,
        )
        self.review_seconds = Histogram(
            f"{PREFIX}_review_duration_seconds",
            "Seconds from the arrival of the whole request body until the answer is ready.",
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self.invalid_annotations = Counter(
            f"{PREFIX}_invalid_annotations",
            "Invalid values of airflow-sidecar-webhook annotations, by annotation (other: an annotation that does not exist).",
            ("annotation",),
            registry=self.registry,
        )
        self.guessed_entrypoints = Counter(
            f"{PREFIX}_guessed_entrypoints",
            "Reviews in which the entrypoint of an Airflow image was guessed (setting entrypoint_guess); doctor names the images.",
            registry=self.registry,
        )
        self.refused = Counter(
            f"{PREFIX}_refused_requests",
            "Requests refused because they are not a valid AdmissionReview or exceed a limit, by HTTP status.",
            ("status",),
            registry=self.registry,
        )
        self.faults = Counter(
            f"{PREFIX}_faults",
            "Reviews that failed inside the webhook. Each is a bug; the pod starts unchanged unless on_fault is error.",
            registry=self.registry,
        )
        self.is_ready = Gauge(f"{PREFIX}_ready", "1 if the replica is ready, as /readyz says, else 0.", registry=self.registry)
        self.log_lines_dropped = Counter(
            f"{PREFIX}_log_lines_dropped",
            "Log lines lost because stdout was not read in time. Reviews do not wait for the log.",
            registry=self.registry,
        )

    def _add_requests(self) -> None:
        """Metrics of what stands before a review: connections and requests."""
        self.connections = Gauge(
            f"{PREFIX}_connections",
            "Open connections, by port (https, health).",
            ("port",),
            registry=self.registry,
        )
        self.displaced_connections = Counter(
            f"{PREFIX}_displaced_connections",
            "Connections closed because a limit on their number was reached, by port (https, health).",
            ("port",),
            registry=self.registry,
        )
        self.in_flight = Gauge(f"{PREFIX}_requests_in_flight", "Requests that are being received or answered.", registry=self.registry)

    def _add_certificate(self) -> None:
        """Metrics of the serving certificate, whatever its source."""
        self.reloads = Counter(
            f"{PREFIX}_certificate_reloads",
            "Replacements of the serving certificate, by result (loaded, refused).",
            ("result",),
            registry=self.registry,
        )
        self.not_after = Gauge(
            f"{PREFIX}_certificate_not_after_timestamp_seconds",
            "When the serving certificate expires, as a Unix time.",
            registry=self.registry,
        )
        for result in ("loaded", "refused"):
            self.reloads.labels(result)

    def _add_self_managed_certificate(self, registry: CollectorRegistry | None) -> None:
        """Metrics of a self-managed certificate. Exposed elsewhere, a 0 would mean that an authority expired in 1970."""
        self.authority_not_after = Gauge(
            f"{PREFIX}_authority_not_after_timestamp_seconds",
            "When the youngest authority that can sign expires, as a Unix time; 0 before the first read. Self-managed only.",
            registry=registry,
        )
        self.bundle_in_sync = Gauge(
            f"{PREFIX}_ca_bundle_in_sync",
            "1 if every caBundle matches the authorities in the Secret, else 0; 0 without a webhook configuration. Self-managed only.",
            registry=registry,
        )
        self.secret_immutable = Gauge(
            f"{PREFIX}_authority_secret_immutable",
            "1 if the Secret of the authorities is immutable, so that they cannot be renewed, else 0. Self-managed only.",
            registry=registry,
        )
        self.certificate_errors = Counter(
            f"{PREFIX}_certificate_errors",
            "Reconciles of the Secret and the caBundle in which a read or a write failed. Self-managed only.",
            registry=registry,
        )
        self.certificate_last_read = Gauge(
            f"{PREFIX}_certificate_last_read_timestamp_seconds",
            "When the Secret and the webhook configuration were last read successfully, as a Unix time (normally about 10 s ago); "
            "the start before the first read. Self-managed only.",
            registry=registry,
        )

    def _add_cluster(self) -> None:
        """Metrics of the cluster's state. Without credentials for a cluster, only the support is set."""
        self.native_support = Gauge(
            f"{PREFIX}_native_support",
            f"1 for the cluster's current support for native sidecars ({', '.join(NativeSupport)}), 0 for the others.",
            ("support",),
            registry=self.registry,
        )
        self.nodes = Gauge(
            f"{PREFIX}_cluster_nodes",
            "Nodes of the cluster, by type (regular, virtual). The kubelet version of virtual nodes is ignored.",
            ("type",),
            registry=self.registry,
        )
        self.cluster_last_read = Gauge(
            f"{PREFIX}_cluster_last_read_timestamp_seconds",
            "When the Kubernetes API was last read successfully, as a Unix time, by resource (normally at most about 60 s ago); "
            "the start before the first read.",
            ("resource",),
            registry=self.registry,
        )
        self.cluster_errors = Counter(
            f"{PREFIX}_cluster_errors",
            "Failed reads from the Kubernetes API, by resource.",
            ("resource",),
            registry=self.registry,
        )
