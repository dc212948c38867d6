"""Several replicas at once, in any order of their requests, through outages, lost Secrets and years: no ready replica is distrusted.

The certificate managers are the real ones; the cluster is a fake (tests/support/fake_cluster.py). An API server loads a new caBundle after an
unknown delay, so what is served has to verify against every caBundle of the last minute.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from certs.authority import is_valid_at, make_authority
from certs.keyring_file import read_keyring
from certs.lifetimes import DEFAULT_LIFETIMES
from tests.support.fake_cluster import CONFIGURATION, SECRET, FakeCluster
from tests.support.interleaving import Fault, Replica, trusts_any_own_authority, verifies
from tests.support.search import examples

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from certs.keyring import Keyring
    from tests.support.json_object import JSONObject

    Bundle = tuple[x509.Certificate, ...]

REPLICAS: Final = 3
LAG: Final = timedelta(minutes=1)
"""How long an API server may use an older caBundle."""

PAUSES: Final = [
    timedelta(seconds=1),
    timedelta(seconds=30),
    LAG,
    DEFAULT_LIFETIMES.propagation,
    timedelta(hours=2),
    timedelta(days=1),
    DEFAULT_LIFETIMES.leaf * 0.7,
    DEFAULT_LIFETIMES.leaf + DEFAULT_LIFETIMES.grace,
    timedelta(days=100),
    DEFAULT_LIFETIMES.authority * 0.67,
]
NUMBERS: Final = st.integers(0, REPLICAS - 1)


@lru_cache
def keyring_in(value: bytes) -> Keyring | None:
    """The keyring in a Secret's value."""
    return read_keyring(value, DEFAULT_LIFETIMES)


class Replicas(RuleBasedStateMachine):
    """Three replicas and what happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = FakeCluster()
        self.replicas = [Replica(self.cluster) for _ in range(REPLICAS)]
        self.published: list[tuple[datetime, Bundle]] = []
        """Each caBundle that a replica wrote, and when it stopped being the newest."""
        self.is_by_a_replica = False
        self.lost: set[x509.Certificate] = set()
        """Authorities that were removed from both the Secret and the caBundle: they are nowhere in the cluster."""
        self.backup: JSONObject | None = None
        self.stranded: set[int] = set()
        """Replicas whose leaf nobody accepted any more, and that replaced it by a leaf of any authority."""

    @initialize(webhooks=st.integers(1, 2), is_there=st.booleans())
    def configure(self, webhooks: int, is_there: bool) -> None:
        self.webhooks = webhooks
        if is_there:
            self.cluster.configure(webhooks)

    @rule(number=NUMBERS, requests=st.integers(1, 6))
    def advance(self, number: int, requests: int) -> None:
        for _ in range(requests):
            self._advance(number, Fault.NONE)

    @rule(number=NUMBERS, fault=st.sampled_from([Fault.LOST, Fault.UNANSWERED]))
    def cut(self, number: int, fault: Fault) -> None:
        self._advance(number, fault)

    @rule(number=NUMBERS)
    def reconcile(self, number: int) -> None:
        self._advance(number, Fault.NONE)
        self._finish(number)

    @rule(number=NUMBERS)
    def kill(self, number: int) -> None:
        self.replicas[number].kill()
        self.replicas[number] = Replica(self.cluster)
        self.stranded.discard(number)

    @rule(pause=st.sampled_from(PAUSES))
    def wait(self, pause: timedelta) -> None:
        self.cluster.pass_time(pause)

    @rule(pause=st.sampled_from(PAUSES))
    def live_on(self, pause: timedelta) -> None:
        """Time passes, and every replica reconciles."""
        self.cluster.pass_time(pause)
        for number in range(REPLICAS):
            self.reconcile(number)

    @rule()
    def delete_secret(self) -> None:
        self._disturb(self.cluster.delete_secret)

    @rule()
    def back_up(self) -> None:
        self.backup = copy.deepcopy(self.cluster.objects.get(SECRET))

    @precondition(lambda self: self.backup is not None and not any(replica.is_reconciling for replica in self.replicas))
    @rule()
    def restore(self) -> None:
        """An old Secret is put back."""
        backup = self.backup
        assert backup is not None
        self._disturb(lambda: self.cluster.put_secret(backup))

    @rule()
    def garble_secret(self) -> None:
        self._disturb(lambda: self.cluster.put_secret({"metadata": {"name": "authority"}, "data": {"authorities.json": "e30="}}))

    @rule()
    def make_configuration_anew(self) -> None:
        """It comes back with an empty caBundle, as from a chart."""
        self._disturb(self.cluster.unconfigure)
        self._disturb(lambda: self.cluster.configure(self.webhooks))

    @rule()
    def delete_configuration(self) -> None:
        self._disturb(self.cluster.unconfigure)

    @precondition(lambda self: CONFIGURATION in self.cluster.objects)
    @rule()
    def put_stranger(self) -> None:
        """Another injector writes its own caBundle."""
        self._disturb(lambda: self.cluster.put_bundle(make_authority(self.cluster.now, "stranger").certificate_pem))

    @invariant()
    def what_is_served_verifies(self) -> None:
        for number, replica in enumerate(self.replicas):
            leaf = replica.listener.leaf
            if leaf is None or not replica.manager.status.is_ready or self._is_useless(leaf):
                continue
            if all(verifies(leaf, bundle, self.cluster.now) for bundle in self._recent()):
                self.stranded.discard(number)
            else:
                assert number in self.stranded, "a certificate is served that a recent caBundle does not verify"

    @invariant()
    def no_bundle_that_a_replica_wrote_is_empty(self) -> None:
        if self.is_by_a_replica:
            assert all(self.cluster.bundles)

    def teardown(self) -> None:
        try:
            self._converges()
        finally:
            for replica in self.replicas:
                replica.kill()

    def _converges(self) -> None:
        """Left alone, all replicas converge: one authority, in sync, and no more writes."""
        for number in range(REPLICAS):
            self._finish(number)
        if CONFIGURATION not in self.cluster.objects:
            self.cluster.configure(self.webhooks)
        for pause in [
            timedelta(seconds=10),
            DEFAULT_LIFETIMES.propagation,
            DEFAULT_LIFETIMES.leaf + DEFAULT_LIFETIMES.grace,
            DEFAULT_LIFETIMES.propagation,
        ]:
            self.live_on(pause)
            self.what_is_served_verifies()
        self._finish_a_rotation()
        before = len(self.cluster.calls)
        self.live_on(timedelta(seconds=10))

        assert all(replica.manager.status.is_in_sync and replica.manager.status.is_ready for replica in self.replicas)
        assert {method for method, _ in self.cluster.calls[before:]} == {"GET"}
        leaves = [replica.listener.leaf for replica in self.replicas]
        assert all(leaf is not None and verifies(leaf, bundle, self.cluster.now) for leaf in leaves for bundle in self.cluster.bundles)
        assert [len(bundle) for bundle in self.cluster.bundles] == [1] * self.webhooks

    def _finish_a_rotation(self) -> None:
        """One may have become due just now."""
        if any(len(bundle) > 1 for bundle in self.cluster.bundles):
            for pause in [
                DEFAULT_LIFETIMES.propagation,
                DEFAULT_LIFETIMES.propagation,
                DEFAULT_LIFETIMES.leaf + DEFAULT_LIFETIMES.grace,
                timedelta(seconds=10),
            ]:
                self.live_on(pause)
                self.what_is_served_verifies()

    def _finish(self, number: int) -> None:
        """End the reconciliation that is under way."""
        while self.replicas[number].is_reconciling:
            self._advance(number, Fault.NONE)

    def _advance(self, number: int, fault: Fault) -> None:
        before, leaf = self.cluster.bundles, self.replicas[number].listener.leaf
        self.replicas[number].advance(fault)
        if leaf is not None and self._is_useless(leaf) and self.replicas[number].listener.leaf != leaf:
            self.stranded.add(number)
        if self.cluster.bundles != before:
            self._replaced(before)
            self.is_by_a_replica = True

    def _disturb(self, change: Any) -> None:
        before, known = self.cluster.bundles, self._known()
        change()
        if self.cluster.bundles != before:
            self._replaced(before)
            self.is_by_a_replica = False
        self.lost |= known - self._known()

    def _replaced(self, before: tuple[Bundle, ...]) -> None:
        if self.is_by_a_replica:
            self.published += [(self.cluster.now, bundle) for bundle in before]

    def _recent(self) -> list[Bundle]:
        """Every caBundle by a replica that an API server may still use, and that has an authority that a replica can know of."""
        recent = [bundle for ended, bundle in self.published if ended + LAG > self.cluster.now]
        every = [*recent, *(self.cluster.bundles if self.is_by_a_replica else ())]
        return [bundle for bundle in every if trusts_any_own_authority(set(bundle) - self.lost, self.cluster.now)]

    def _known(self) -> set[x509.Certificate]:
        value = self.cluster.secret_value
        keyring = None if value is None else keyring_in(value)
        return {one for bundle in self.cluster.bundles for one in bundle} | set(keyring.bundle if keyring else ())

    def _is_useless(self, leaf: x509.Certificate) -> bool:
        """Whether it is expired, or its authority is nowhere in the cluster."""
        return not is_valid_at(leaf, self.cluster.now) or any(leaf.issuer == authority.subject for authority in self.lost)


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=examples(30), stateful_step_count=40, suppress_health_check=list(HealthCheck))
