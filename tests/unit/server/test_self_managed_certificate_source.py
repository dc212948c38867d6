"""The metrics of a self-managed certificate, read as Prometheus reads them, on a fake cluster (tests/support/fake_cluster.py)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from certs.lifetimes import DEFAULT_LIFETIMES
from tests.support.fake_cluster import CONFIGURATION, NAMES, SECRET, START, FakeCluster
from webhook.server import self_managed_certificate_source
from webhook.server.metrics import PREFIX, Metrics
from webhook.server.self_managed_certificate_source import SelfManagedCertificateSource
from webhook.settings import Settings

LEAF: Final = "certificate_not_after_timestamp_seconds"
AUTHORITY: Final = "authority_not_after_timestamp_seconds"
IN_SYNC: Final = "ca_bundle_in_sync"
LAST_READ: Final = "certificate_last_read_timestamp_seconds"
ERRORS: Final = "certificate_errors_total"
IMMUTABLE: Final = "authority_secret_immutable"
RELOADS: Final = "certificate_reloads_total"
LABELS: Final[tuple[dict[str, str], ...]] = ({}, {"result": "loaded"})
"""The labels of what is read here."""

SETTINGS: Final = Settings(
    certificates="self-managed", service_namespace=NAMES.namespace, ca_secret=NAMES.secret, configuration=NAMES.configuration
)


class ReconcilingSource:
    """A certificate source that reconciles when the test says so, and its metrics."""

    def __init__(self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.seconds, self.metrics = cluster, 1000.0, Metrics()
        monkeypatch.setattr(self_managed_certificate_source, "find_client", lambda _environ: object)
        monkeypatch.setattr(self_managed_certificate_source, "_connect", lambda _configure: cluster)
        monkeypatch.setattr(self_managed_certificate_source, "time", lambda: self.seconds)
        self._source = SelfManagedCertificateSource(SETTINGS, self.metrics)

    def reconcile(self) -> None:
        """What its thread does again and again."""
        self._source._thread.run_once()

    def samples(self, *names: str) -> tuple[float, ...]:
        """The values of these metrics, which have to exist."""
        families = text_string_to_metric_families(generate_latest(self.metrics.registry).decode())
        values = {sample.name: sample.value for family in families for sample in family.samples if sample.labels in LABELS}
        return tuple(values[f"{PREFIX}_{name}"] for name in names)


@pytest.fixture
def cluster() -> FakeCluster:
    """With a configuration whose caBundle is empty."""
    cluster = FakeCluster()
    cluster.configure()
    return cluster


@pytest.fixture
def source(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> ReconcilingSource:
    return ReconcilingSource(cluster, monkeypatch)


def test_before_the_first_read_nothing_is_in_sync_and_the_last_read_is_the_start(source: ReconcilingSource) -> None:
    source.seconds += 7

    assert source.samples(IN_SYNC, LAST_READ, ERRORS, RELOADS) == (0, 1000, 0, 0)


def test_a_reconcile_sets_the_expiries_and_says_that_the_bundle_is_in_sync(source: ReconcilingSource) -> None:
    source.seconds += 7
    source.reconcile()

    assert source.samples(LEAF, AUTHORITY) == (
        (START + DEFAULT_LIFETIMES.leaf).timestamp(),
        (START + DEFAULT_LIFETIMES.authority).timestamp(),
    )
    assert source.samples(IN_SYNC, LAST_READ, ERRORS, RELOADS) == (1, 1007, 0, 1)


def test_the_expiry_of_the_authority_is_that_of_the_youngest(source: ReconcilingSource) -> None:
    source.reconcile()
    passed = DEFAULT_LIFETIMES.authority * 0.67
    source.cluster.pass_time(passed)
    source.reconcile()

    assert source.samples(AUTHORITY) == ((START + passed + DEFAULT_LIFETIMES.authority).replace(microsecond=0).timestamp(),)
    assert source.samples(RELOADS) == (2,), "a leaf of its own counts as a change"


def test_without_a_configuration_the_bundle_is_not_in_sync(source: ReconcilingSource) -> None:
    source.reconcile()
    source.cluster.unconfigure()
    source.reconcile()
    assert source.samples(IN_SYNC, ERRORS) == (0, 0)
    source.cluster.configure()
    source.reconcile()

    assert source.samples(IN_SYNC, ERRORS) == (1, 0)


def test_a_bundle_that_somebody_else_wrote_and_the_webhook_may_not_write_is_not_in_sync_and_counted(source: ReconcilingSource) -> None:
    source.reconcile()
    source.cluster.put_bundle(b"")
    source.cluster.refused["PATCH", CONFIGURATION] = 403
    source.seconds += 7
    source.reconcile()

    assert source.samples(IN_SYNC, LAST_READ, ERRORS) == (0, 1007, 1)


@pytest.mark.parametrize("path", [CONFIGURATION, SECRET])
def test_failed_reconciles_are_counted_and_the_last_read_stays_where_it_was(source: ReconcilingSource, path: str) -> None:
    source.reconcile()
    before = source.samples(LEAF, AUTHORITY, IN_SYNC)
    source.cluster.refused["GET", path] = 500
    source.cluster.pass_time(timedelta(days=1))
    for _ in range(3):
        source.seconds += 10
        source.reconcile()
    assert source.samples(LAST_READ, ERRORS) == (1000, 3)
    assert source.samples(LEAF, AUTHORITY, IN_SYNC) == before
    source.cluster.refused.clear()
    source.reconcile()

    assert source.samples(LAST_READ, ERRORS) == (1030, 3)


def test_an_immutable_secret_shows_in_a_metric_and_once_in_the_log_with_what_to_do(
    source: ReconcilingSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.reconcile()
    assert source.samples(IMMUTABLE) == (0,)
    source.cluster.put_secret({**source.cluster.objects[SECRET], "immutable": True})
    source.reconcile()
    source.reconcile()

    assert source.samples(IMMUTABLE, ERRORS) == (1, 0), "nothing has to be written yet"
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.fields["problem"].endswith("kubectl --namespace infra delete secret authority")  # type: ignore[attr-defined]
    source.cluster.delete_secret()
    source.reconcile()
    assert source.samples(IMMUTABLE, IN_SYNC, ERRORS) == (0, 1, 0)
