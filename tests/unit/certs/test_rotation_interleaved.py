"""Several replicas at once, in any order of their requests, through outages, lost Secrets and years: nobody is ever distrusted.

The keepers are the real ones; the cluster is a fake (tests/support/fake_cluster.py). An API server takes a new caBundle up with a delay that
nothing tells, so what is served has to verify against every caBundle of the last minute.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from certs.authority import holds, make_authority
from certs.keyring_file import read_keyring
from certs.lifetimes import USUAL
from tests.support.fake_cluster import CONFIGURATION, SECRET, FakeCluster
from tests.support.interleaving import Fault, Replica, trusts_any_of_ours, verifies

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from tests.support.json_object import JSONObject

    Bundle = tuple[x509.Certificate, ...]

REPLICAS: Final = 3
LAG: Final = timedelta(minutes=1)
"""How long an API server may go on with an older caBundle."""

PAUSES: Final = [
    timedelta(seconds=1),
    timedelta(seconds=30),
    LAG,
    USUAL.settle,
    timedelta(hours=2),
    timedelta(days=1),
    USUAL.leaf * 0.7,
    USUAL.leaf + USUAL.spare,
    timedelta(days=100),
    USUAL.authority * 0.67,
]
NUMBERS: Final = st.integers(0, REPLICAS - 1)


class Replicas(RuleBasedStateMachine):
    """Three replicas and what happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = FakeCluster()
        self.replicas = [Replica(self.cluster) for _ in range(REPLICAS)]
        self.published: list[tuple[datetime, Bundle]] = []
        """Each caBundle that a replica wrote, and when it stopped being the newest."""
        self.is_ours = False
        self.lost: set[x509.Certificate] = set()
        """Authorities that somebody took out of both the Secret and the caBundle: nothing in the cluster knows of them any more."""
        self.backup: JSONObject | None = None
        self.stranded: set[int] = set()
        """Replicas that had nothing left to serve that anybody takes, and took what there was."""

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
    def look(self, number: int) -> None:
        self._advance(number, Fault.NONE)
        while self.replicas[number].is_looking:
            self._advance(number, Fault.NONE)

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
        """Time passes, and everybody looks."""
        self.cluster.pass_time(pause)
        for number in range(REPLICAS):
            self.look(number)

    @rule()
    def delete_secret(self) -> None:
        self._disturb(self.cluster.delete_secret)

    @rule()
    def back_up(self) -> None:
        self.backup = copy.deepcopy(self.cluster.objects.get(SECRET))

    @precondition(lambda self: self.backup is not None and not any(replica.is_looking for replica in self.replicas))
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
            if leaf is None or not replica.keeper.figures.is_ready or self._is_useless(leaf):
                continue
            if all(verifies(leaf, bundle, self.cluster.now) for bundle in self._recent()):
                self.stranded.discard(number)
            else:
                assert number in self.stranded, "a certificate is served that a recent caBundle does not verify"

    @invariant()
    def no_bundle_is_empty_that_we_wrote(self) -> None:
        if self.is_ours:
            assert all(self.cluster.bundles)

    def teardown(self) -> None:
        try:
            self._converges()
        finally:
            for replica in self.replicas:
                replica.kill()

    def _converges(self) -> None:
        """Left alone, all come to rest: one authority, in sync, and nobody writes any more."""
        for replica in self.replicas:
            replica.finish()
        if CONFIGURATION not in self.cluster.objects:
            self.cluster.configure(self.webhooks)
        for pause in [timedelta(seconds=10), USUAL.settle, USUAL.leaf + USUAL.spare, USUAL.settle]:
            self.live_on(pause)
            self.what_is_served_verifies()
        self._finish_a_rotation()
        before = len(self.cluster.calls)
        self.live_on(timedelta(seconds=10))

        assert all(replica.keeper.figures.is_in_sync and replica.keeper.figures.is_ready for replica in self.replicas)
        assert {method for method, _ in self.cluster.calls[before:]} == {"GET"}
        leaves = [replica.listener.leaf for replica in self.replicas]
        assert all(leaf is not None and verifies(leaf, bundle, self.cluster.now) for leaf in leaves for bundle in self.cluster.bundles)
        assert [len(bundle) for bundle in self.cluster.bundles] == [1] * self.webhooks

    def _finish_a_rotation(self) -> None:
        """One may have become due just now."""
        if any(len(bundle) > 1 for bundle in self.cluster.bundles):
            for pause in [USUAL.settle, USUAL.settle, USUAL.leaf + USUAL.spare, timedelta(seconds=10)]:
                self.live_on(pause)
                self.what_is_served_verifies()

    def _advance(self, number: int, fault: Fault) -> None:
        before, leaf = self.cluster.bundles, self.replicas[number].listener.leaf
        self.replicas[number].advance(fault)
        if leaf is not None and self._is_useless(leaf) and self.replicas[number].listener.leaf != leaf:
            self.stranded.add(number)
        if self.cluster.bundles != before:
            self._replaced(before)
            self.is_ours = True

    def _disturb(self, change: Any) -> None:
        before, known = self.cluster.bundles, self._known()
        change()
        if self.cluster.bundles != before:
            self._replaced(before)
            self.is_ours = False
        self.lost |= known - self._known()

    def _replaced(self, before: tuple[Bundle, ...]) -> None:
        if self.is_ours:
            self.published += [(self.cluster.now, bundle) for bundle in before]

    def _recent(self) -> list[Bundle]:
        """Every caBundle of ours that an API server may go by, and from which somebody could know whom it trusts."""
        recent = [bundle for ended, bundle in self.published if ended + LAG > self.cluster.now]
        every = [*recent, *(self.cluster.bundles if self.is_ours else ())]
        return [bundle for bundle in every if trusts_any_of_ours(set(bundle) - self.lost, self.cluster.now)]

    def _known(self) -> set[x509.Certificate]:
        value = self.cluster.secret_value
        keyring = None if value is None else read_keyring(value, USUAL)
        return {one for bundle in self.cluster.bundles for one in bundle} | set(keyring.bundle if keyring else ())

    def _is_useless(self, leaf: x509.Certificate) -> bool:
        """Expired, or of an authority of which nothing in the cluster knows any more."""
        return not holds(leaf, self.cluster.now) or any(leaf.issuer == authority.subject for authority in self.lost)


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
