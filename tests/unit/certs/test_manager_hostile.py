"""Whatever somebody writes into the Secret and the caBundle, for years: each reconcile succeeds, and after it every leaf is trusted.

The certificate managers are the real ones; the cluster is a fake (tests/support/fake_cluster.py).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from certs.authority import is_valid_at
from certs.bundle import write_bundle
from certs.keyring_file import read_keyring
from certs.lifetimes import Lifetimes
from certs.manager import CertificateManager
from certs.store import ENTRY
from tests.support.fake_cluster import NAMES, FakeCluster
from tests.support.interleaving import SERVED_NAMES, RecordingListener, verifies
from tests.support.odd_certificates import flipped, odd_pairs
from tests.support.search import examples

if TYPE_CHECKING:
    from cryptography import x509

LIFETIMES: Final = Lifetimes(leaf=timedelta(days=90))
"""Longer than the default, so that a few reconciles are enough for a year."""

BETWEEN_RECONCILES: Final = LIFETIMES.leaf / 4
PAUSES: Final = (timedelta(seconds=10), LIFETIMES.propagation, BETWEEN_RECONCILES * 5, timedelta(days=400))

ANY_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["certificate", "key", "trustedSince", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ZONES: Final = tuple(timezone(timedelta(minutes=minutes)) for minutes in (-1439, 0, 1439))
EXTREMES: Final = tuple(time.replace(tzinfo=zone) for zone in ZONES for time in (datetime.min, datetime.max))  # noqa: DTZ901  they get one
FUTURE: Final = datetime(2030, 1, 1, tzinfo=UTC)
ANY_TIME: Final = (st.just(FUTURE) | st.datetimes(timezones=st.sampled_from(ZONES)) | st.sampled_from(EXTREMES)).map(datetime.isoformat)
SOUP: Final = st.lists(
    st.sampled_from([b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"AAAA\n", b"a: b\n\n", b"\xff"])
).map(b"".join)
DEEP: Final = st.sampled_from([b"[" * 20_000, b'[{"certificate":' * 20_000, b"9" * 20_000])


@dataclass
class Attacked:
    """Two replicas, and somebody who may write the Secret and the caBundle; with what the replicas wrote last."""

    cluster: FakeCluster
    managers: list[tuple[CertificateManager, RecordingListener]]
    value: bytes = b""
    bundle: bytes = b""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The authorities in the Secret, as the replicas wrote them."""
        rows: list[dict[str, Any]] = json.loads(self.value)
        return rows

    def put_value(self, value: bytes) -> None:
        """Replace the authorities in the Secret."""
        self.cluster.put_secret({"metadata": {"name": NAMES.secret}, "data": {ENTRY: base64.b64encode(value).decode()}})

    def put_rows(self, rows: Any) -> None:
        """Replace them by any JSON."""
        self.put_value(json.dumps(rows).encode())

    def live(self, time: timedelta) -> None:
        """Let the time pass; the replicas reconcile, seldom enough for many years and often enough for a leaf."""
        while time:
            step = min(time, BETWEEN_RECONCILES)
            self.cluster.pass_time(step)
            time -= step
            assert all(is_valid_at(leaf, self.cluster.now) for leaf in self.leaves)
            self.reconcile()

    def reconcile(self) -> None:
        """Each replica reconciles once. The first one alone has to mend both objects, and each its own leaf."""
        for manager, listener in self.managers:
            manager.reconcile()
            self.check(listener)
        self.value, (self.bundle,) = self.cluster.secret_value or b"", self.cluster.published

    def check(self, listener: RecordingListener) -> None:
        """The Secret has a keyring, the caBundle is what it calls for, and the leaf is trusted."""
        now = self.cluster.now
        keyring = read_keyring(self.cluster.secret_value or b"", LIFETIMES)
        assert keyring is not None
        assert keyring.with_key
        assert all(one.trusted_since is None or one.trusted_since <= now for one in keyring.authorities)
        assert self.cluster.published == (write_bundle(keyring.needed_bundle(now)),)
        assert listener.leaf is not None
        assert is_valid_at(listener.leaf, now)
        assert verifies(listener.leaf, self.cluster.bundles[0], now)

    @property
    def leaves(self) -> list[x509.Certificate]:
        """What is served."""
        return [listener.leaf for _, listener in self.managers if listener.leaf is not None]


def attacked() -> Attacked:
    """Both replicas have started."""
    cluster = FakeCluster()
    cluster.configure()
    listeners = [RecordingListener() for _ in range(2)]
    managers = [(CertificateManager(lambda: cluster, NAMES, SERVED_NAMES, listener, LIFETIMES), listener) for listener in listeners]
    started = Attacked(cluster, managers)
    started.reconcile()
    return started


def flip_value(one: Attacked, data: st.DataObject) -> None:
    one.put_value(data.draw(flipped(one.value)))


def replace_value(one: Attacked, data: st.DataObject) -> None:
    one.put_value(data.draw(DEEP | st.binary() | ANY_JSON.map(lambda any_json: json.dumps(any_json).encode())))


def replace_member(one: Attacked, data: st.DataObject) -> None:
    rows = one.rows
    rows[-1][data.draw(st.sampled_from(sorted(rows[-1])))] = data.draw(ANY_JSON)
    one.put_rows(rows)


def replace_time(one: Attacked, data: st.DataObject) -> None:
    time = data.draw(ANY_TIME)
    one.put_rows([{**row, "trustedSince": time} for row in one.rows])


def add_row(one: Attacked, data: st.DataObject) -> None:
    certificate, key = data.draw(odd_pairs())
    row = {
        "certificate": certificate.decode(),
        "key": data.draw(st.just(key.decode()) | st.sampled_from([None, one.rows[-1]["key"]])),
        "trustedSince": data.draw(st.none() | ANY_TIME),
    }
    one.put_rows(data.draw(st.sampled_from([[row], [row, *one.rows], [*one.rows, row]])))


def delete_secret(one: Attacked, _: st.DataObject) -> None:
    one.cluster.delete_secret()


def flip_bundle(one: Attacked, data: st.DataObject) -> None:
    one.cluster.put_bundle(data.draw(flipped(one.bundle)))


def replace_bundle(one: Attacked, data: st.DataObject) -> None:
    one.cluster.put_bundle(data.draw(st.binary() | SOUP))


def add_to_bundle(one: Attacked, data: st.DataObject) -> None:
    odd, own = data.draw(odd_pairs())[0], one.bundle
    one.cluster.put_bundle(data.draw(st.sampled_from([odd, odd + own, own + odd])))


ATTACKS: Final = (
    flip_value,
    replace_value,
    replace_member,
    replace_time,
    add_row,
    delete_secret,
    flip_bundle,
    replace_bundle,
    add_to_bundle,
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of cryptography about odd certificates; in production it is no error either
@given(st.data())
@settings(max_examples=examples(20), suppress_health_check=list(HealthCheck))
def test_whatever_is_in_secret_and_bundle_one_reconcile_mends_it_and_no_leaf_expires(data: st.DataObject) -> None:
    one = attacked()
    for _ in range(data.draw(st.integers(1, 4))):
        for attack in data.draw(st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=2)):
            attack(one, data)
        one.reconcile()
        one.live(data.draw(st.sampled_from(PAUSES)))
