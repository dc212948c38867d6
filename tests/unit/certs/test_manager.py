"""The certificate manager on a fake cluster (tests/support/fake_cluster.py): its actions, what it goes on serving, and its errors."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from certs.authority import renewal_time
from certs.errors import ApiRefusedError, ApiUnreachableError, ConflictError, ImmutableSecretError
from certs.lifetimes import DEFAULT_LIFETIMES
from certs.manager import MAX_ACTIONS, CertificateManager
from certs.rotation import AddAuthority, PublishBundle, SaveKeyring
from certs.store import CONFIGURATIONS
from tests.support.fake_cluster import CONFIGURATION, NAMES, REQUIRED_ENTRIES, SECRET, SECRETS, START, FakeCluster
from tests.support.interleaving import SERVED_NAMES, RecordingListener, verifies

if TYPE_CHECKING:
    from cryptography import x509

    from certs.api import ApiResponse
    from certs.key_pair import KeyPair


class Managed:
    """A certificate manager and what its listener recorded."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster, self.listener = cluster, RecordingListener()
        self.manager = CertificateManager(lambda: cluster, NAMES, SERVED_NAMES, self.listener)

    @property
    def leaf(self) -> x509.Certificate:
        """What is served."""
        leaf = self.listener.leaf
        assert leaf is not None
        return leaf

    def reconcile_after(self, time: timedelta) -> None:
        """Let time pass, and reconcile."""
        self.cluster.pass_time(time)
        self.manager.reconcile()


@pytest.fixture
def cluster() -> FakeCluster:
    """With a configuration whose caBundle is empty."""
    cluster = FakeCluster()
    cluster.configure()
    return cluster


@pytest.fixture
def managed(cluster: FakeCluster) -> Managed:
    """It has reconciled once."""
    managed = Managed(cluster)
    managed.manager.reconcile()
    return managed


def test_one_reconcile_is_enough_to_start_with(managed: Managed) -> None:
    assert [type(action) for action in managed.listener.actions] == [AddAuthority, PublishBundle, SaveKeyring]
    assert verifies(managed.leaf, managed.cluster.bundles[0], START)
    assert managed.manager.status.is_ready
    assert managed.manager.status.is_in_sync


def test_a_reconcile_with_nothing_to_do_costs_two_reads(managed: Managed) -> None:
    managed.cluster.calls.clear()
    managed.manager.reconcile()

    assert managed.cluster.calls == [("GET", CONFIGURATION), ("GET", SECRET)]


def test_the_status_says_when_leaf_and_authority_expire(managed: Managed) -> None:
    status = managed.manager.status

    assert status.leaf_not_after == START + DEFAULT_LIFETIMES.leaf
    assert status.authority_not_after == START + DEFAULT_LIFETIMES.authority
    assert status.authorities == 1
    assert managed.listener.status == status


def test_the_time_is_that_of_the_api_servers_clock(cluster: FakeCluster) -> None:
    cluster.now = datetime.max.replace(year=2099, tzinfo=START.tzinfo)
    managed = Managed(cluster)
    managed.manager.reconcile()

    assert verifies(managed.leaf, cluster.bundles[0], cluster.now)


def test_a_second_replica_signs_with_the_same_authority_and_a_key_of_its_own(managed: Managed) -> None:
    other = Managed(managed.cluster)
    other.manager.reconcile()

    assert other.leaf.issuer == managed.leaf.issuer
    assert other.leaf.public_key() != managed.leaf.public_key()
    assert other.listener.actions == []


def test_a_leafs_key_is_never_sent(managed: Managed) -> None:
    assert managed.listener.pairs[0].key.decode() not in repr(managed.cluster.objects)
    assert "PRIVATE" not in repr(managed.listener.pairs[0])


def test_a_leaf_is_renewed_in_time(managed: Managed) -> None:
    due = renewal_time(managed.leaf) - START
    managed.reconcile_after(due - timedelta(seconds=1))
    assert len(managed.listener.pairs) == 1
    managed.reconcile_after(timedelta(seconds=2))

    assert len(managed.listener.pairs) == 2


class UnreachableApi:
    """An API server that cannot be reached."""

    def request(self, *_: object, **__: object) -> ApiResponse:
        """Fail."""
        message = "connection refused"
        raise ApiUnreachableError(message)


def test_without_an_api_server_what_is_served_stays(cluster: FakeCluster) -> None:
    class SometimesReachableApi:
        api: FakeCluster | UnreachableApi = cluster

        def request(self, *arguments: Any, **parameters: Any) -> ApiResponse:
            return self.api.request(*arguments, **parameters)

    sometimes, listener = SometimesReachableApi(), RecordingListener()
    manager = CertificateManager(lambda: sometimes, NAMES, SERVED_NAMES, listener)
    manager.reconcile()
    before = manager.status
    sometimes.api = UnreachableApi()
    cluster.pass_time(DEFAULT_LIFETIMES.leaf * 0.7)
    with pytest.raises(ApiUnreachableError):
        manager.reconcile()
    assert (len(listener.pairs), manager.status) == (1, before)
    sometimes.api = cluster
    manager.reconcile()

    assert len(listener.pairs) == 2


@pytest.mark.parametrize(
    ("method", "path"), [("GET", SECRET), ("GET", CONFIGURATION), ("POST", SECRETS), ("PATCH", CONFIGURATION), ("PUT", SECRET)]
)
def test_a_right_that_is_missing_at_the_start_is_named(cluster: FakeCluster, method: str, path: str) -> None:
    cluster.refused[method, path] = 403
    with pytest.raises(ApiRefusedError, match=f"403 {method} {path} is refused"):
        Managed(cluster).manager.reconcile()


@pytest.mark.parametrize(("method", "path"), [("GET", SECRET), ("GET", CONFIGURATION), ("PUT", SECRET)])
def test_a_right_that_is_lost_later_takes_nothing_away(managed: Managed, method: str, path: str) -> None:
    managed.cluster.refused[method, path] = 403
    managed.cluster.pass_time(DEFAULT_LIFETIMES.authority * 0.7)
    with pytest.raises(ApiRefusedError):
        managed.manager.reconcile()

    assert len(managed.listener.pairs) >= 1
    assert managed.manager.status.is_ready


def test_a_replica_that_loses_every_race_gives_up_until_the_next_reconcile(cluster: FakeCluster) -> None:
    cluster.refused["POST", SECRETS] = 409
    Managed(cluster).manager.reconcile()

    assert cluster.calls.count(("POST", SECRETS)) == MAX_ACTIONS


def test_a_secret_of_the_chart_is_filled_without_the_right_to_create(cluster: FakeCluster) -> None:
    cluster.put_secret({"metadata": {"name": NAMES.secret, "labels": {"app": "chart"}}})
    cluster.refused["POST", SECRETS] = 403
    Managed(cluster).manager.reconcile()

    assert cluster.objects[SECRET]["metadata"]["labels"] == {"app": "chart"}
    assert len(cluster.bundles[0]) == 1


@pytest.mark.parametrize(("size", "stays"), [(700 * 1024, True), (1024 * 1024 - 100, False)])
def test_other_entries_of_the_secret_stay_where_they_leave_room_for_the_authority(cluster: FakeCluster, size: int, stays: bool) -> None:
    cluster.put_secret({"metadata": {"name": NAMES.secret}, "data": {"other": base64.b64encode(b"x" * size).decode()}})
    Managed(cluster).manager.reconcile()

    assert len(cluster.bundles[0]) == 1
    assert ("other" in cluster.objects[SECRET]["data"]) == stays


@pytest.mark.parametrize("secret_type", REQUIRED_ENTRIES)
def test_a_secret_whose_type_demands_large_entries_is_written_with_small_ones(cluster: FakeCluster, secret_type: str) -> None:
    required = REQUIRED_ENTRIES[secret_type]
    large = base64.b64encode(b"x" * ((1024 * 1024 - 100) // len(required))).decode()
    cluster.put_secret({"metadata": {"name": NAMES.secret}, "type": secret_type, "data": dict.fromkeys(required, large)})
    Managed(cluster).manager.reconcile()

    assert len(cluster.bundles[0]) == 1
    assert [base64.b64decode(cluster.objects[SECRET]["data"][key]) for key in required] == [b"{}"] * len(required)


def test_whatever_else_is_in_the_bundle_is_removed(managed: Managed) -> None:
    (before,) = managed.cluster.published
    managed.cluster.put_bundle(before + b"# a comment")
    managed.manager.reconcile()

    assert managed.cluster.published == (before,)


def test_replicas_switch_to_the_second_authority_while_both_are_trusted(managed: Managed) -> None:
    first = managed.cluster.bundles[0][0]
    managed.reconcile_after(DEFAULT_LIFETIMES.authority * 0.67)
    assert [bundle[0] for bundle in managed.cluster.bundles] == [first]
    managed.reconcile_after(DEFAULT_LIFETIMES.propagation)
    second = managed.cluster.bundles[0][1]

    assert managed.leaf.issuer == second.subject
    managed.reconcile_after(DEFAULT_LIFETIMES.leaf + DEFAULT_LIFETIMES.grace)
    assert managed.cluster.bundles == ((second,),)


def test_after_the_secret_is_lost_nobody_is_distrusted(managed: Managed) -> None:
    leaf = managed.leaf
    managed.cluster.delete_secret()
    managed.manager.reconcile()

    assert managed.leaf == leaf
    assert verifies(leaf, managed.cluster.bundles[0], START)
    managed.reconcile_after(DEFAULT_LIFETIMES.propagation)
    assert managed.leaf.issuer == managed.cluster.bundles[0][1].subject


def test_every_webhook_of_the_configuration_gets_the_bundle() -> None:
    cluster = FakeCluster()
    cluster.configure(webhooks=3)
    Managed(cluster).manager.reconcile()

    assert len(set(cluster.bundles)) == 1
    assert len(cluster.bundles) == 3


def test_the_status_says_whether_there_is_a_configuration(managed: Managed) -> None:
    assert managed.manager.status.is_configured
    managed.cluster.unconfigure()
    managed.manager.reconcile()

    assert not managed.manager.status.is_configured


def test_readiness_stays_where_trust_is_lost(managed: Managed) -> None:
    managed.cluster.refused["PATCH", CONFIGURATION] = 403
    managed.cluster.put_bundle(b"")
    with pytest.raises(ApiRefusedError):
        managed.manager.reconcile()

    assert managed.manager.status.is_ready
    assert not managed.manager.status.is_in_sync


def test_a_reconcile_whose_write_is_refused_does_not_count_as_reconciled(managed: Managed) -> None:
    managed.cluster.refused["PATCH", CONFIGURATION] = 403
    managed.cluster.put_bundle(b"")
    before = managed.listener.reconciled_count
    with pytest.raises(ApiRefusedError):
        managed.manager.reconcile()
    assert managed.listener.reconciled_count == before

    managed.cluster.refused.clear()
    managed.manager.reconcile()
    assert managed.listener.reconciled_count == before + 1


def test_a_certificate_that_cannot_be_loaded_does_not_count_as_served(cluster: FakeCluster) -> None:
    class RefusingOnceListener(RecordingListener):
        def serve(self, pair: KeyPair) -> None:
            super().serve(pair)
            if len(self.pairs) == 1:
                raise OSError

    listener = RefusingOnceListener()
    manager = CertificateManager(lambda: cluster, NAMES, SERVED_NAMES, listener)
    with pytest.raises(OSError):  # noqa: PT011  it has no text
        manager.reconcile()
    manager.reconcile()

    assert len(listener.pairs) == 2


def test_a_response_other_than_success_is_an_error_with_the_servers_message(cluster: FakeCluster) -> None:
    cluster.refused["GET", CONFIGURATION] = 500
    with pytest.raises(ApiRefusedError, match="500 GET") as caught:
        Managed(cluster).manager.reconcile()

    assert not isinstance(caught.value, ConflictError)


def test_the_paths_are_those_of_one_secret_and_one_configuration(managed: Managed) -> None:
    assert {path for _, path in managed.cluster.calls} == {SECRET, SECRETS, CONFIGURATION}
    assert CONFIGURATION.startswith(f"{CONFIGURATIONS}/")


def test_nothing_is_written_to_an_immutable_secret_and_the_error_says_what_to_do(managed: Managed) -> None:
    managed.cluster.put_secret({**managed.cluster.objects[SECRET], "immutable": True})
    managed.cluster.calls.clear()

    with pytest.raises(ImmutableSecretError, match=r"the Secret authority is immutable.*kubectl --namespace infra delete secret authority"):
        managed.reconcile_after(DEFAULT_LIFETIMES.authority * 0.7)
    assert {method for method, _path in managed.cluster.calls} == {"GET"}
    managed.cluster.delete_secret()
    managed.manager.reconcile()
    assert managed.manager.status.is_in_sync
