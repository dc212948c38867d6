"""What a service that keeps its own certificates tells in its metrics, read as Prometheus does: on a fake cluster (tests/support/fake_cluster.py)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from certs.lifetimes import USUAL
from tests.support.fake_cluster import CONFIGURATION, NAMES, SECRET, START, FakeCluster
from webhook.server import kept_certificate
from webhook.server.kept_certificate import KeptCertificate
from webhook.server.metrics import PREFIX, Metrics
from webhook.settings import Settings

LEAF: Final = "certificate_not_after_timestamp_seconds"
AUTHORITY: Final = "authority_not_after_timestamp_seconds"
IN_SYNC: Final = "ca_bundle_in_sync"
AGE: Final = "certificate_look_age_seconds"
ERRORS: Final = "certificate_errors_total"
RELOADS: Final = "certificate_reloads_total"
LABELS: Final[tuple[dict[str, str], ...]] = ({}, {"result": "loaded"})
"""The labels of what is read here."""

SETTINGS: Final = Settings(
    certificates="self-managed", service_namespace=NAMES.namespace, ca_secret=NAMES.secret, configuration=NAMES.configuration
)


class Service:
    """The certificate of a service, which looks when it is told to, and its metrics."""

    def __init__(self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.seconds, self.metrics = cluster, 1000.0, Metrics()
        monkeypatch.setattr(kept_certificate, "find_client", lambda _environ: object)
        monkeypatch.setattr(kept_certificate, "_connect", lambda _configure: cluster)
        monkeypatch.setattr(kept_certificate, "monotonic", lambda: self.seconds)
        self._certificate = KeptCertificate(SETTINGS, self.metrics)

    def look(self) -> None:
        """What its thread does again and again."""
        self._certificate._thread._look()

    def told(self, *names: str) -> tuple[float, ...]:
        """Samples, which have to be there."""
        families = text_string_to_metric_families(generate_latest(self.metrics.registry).decode())
        samples = {sample.name: sample.value for family in families for sample in family.samples if sample.labels in LABELS}
        return tuple(samples[f"{PREFIX}_{name}"] for name in names)


@pytest.fixture
def cluster() -> FakeCluster:
    """With a configuration whose caBundle is empty."""
    cluster = FakeCluster()
    cluster.configure()
    return cluster


@pytest.fixture
def service(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> Service:
    return Service(cluster, monkeypatch)


def test_before_the_first_look_nothing_is_in_sync_and_the_age_is_that_of_the_service(service: Service) -> None:
    service.seconds += 7

    assert service.told(IN_SYNC, AGE, ERRORS, RELOADS) == (0, 7, 0, 0)


def test_a_look_tells_of_expiries_and_of_a_bundle_in_sync(service: Service) -> None:
    service.seconds += 7
    service.look()

    assert service.told(LEAF, AUTHORITY) == ((START + USUAL.leaf).timestamp(), (START + USUAL.authority).timestamp())
    assert service.told(IN_SYNC, AGE, ERRORS, RELOADS) == (1, 0, 0, 1)


def test_the_expiry_of_an_authority_is_the_youngests(service: Service) -> None:
    service.look()
    passed = USUAL.authority * 0.67
    service.cluster.pass_time(passed)
    service.look()

    assert service.told(AUTHORITY) == ((START + passed + USUAL.authority).replace(microsecond=0).timestamp(),)
    assert service.told(RELOADS) == (2,), "a leaf of its own counts as a change"


def test_without_a_configuration_the_bundle_is_not_in_sync(service: Service) -> None:
    service.look()
    service.cluster.unconfigure()
    service.look()
    assert service.told(IN_SYNC, ERRORS) == (0, 0)
    service.cluster.configure()
    service.look()

    assert service.told(IN_SYNC, ERRORS) == (1, 0)


def test_a_bundle_that_somebody_else_wrote_and_we_may_not_is_not_in_sync_and_counted(service: Service) -> None:
    service.look()
    service.cluster.put_bundle(b"")
    service.cluster.refused["PATCH", CONFIGURATION] = 403
    service.seconds += 7
    service.look()

    assert service.told(IN_SYNC, AGE, ERRORS) == (0, 0, 1)


@pytest.mark.parametrize("path", [CONFIGURATION, SECRET])
def test_looks_that_come_to_nothing_are_counted_and_what_is_told_ages(service: Service, path: str) -> None:
    service.look()
    before = service.told(LEAF, AUTHORITY, IN_SYNC)
    service.cluster.refused["GET", path] = 500
    service.cluster.pass_time(timedelta(days=1))
    for _ in range(3):
        service.seconds += 10
        service.look()
    assert service.told(AGE, ERRORS) == (30, 3)
    assert service.told(LEAF, AUTHORITY, IN_SYNC) == before
    service.cluster.refused.clear()
    service.look()

    assert service.told(AGE, ERRORS) == (0, 3)
