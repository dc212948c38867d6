"""A keeper on a fake cluster (tests/support/fake_cluster.py): what it does, what it keeps serving, and what it says when it cannot go on."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from certs.authority import renewal
from certs.errors import ApiRefusedError, ApiUnreachableError, ConflictError
from certs.keeper import MAX_STEPS, Keeper, KeeperThread
from certs.lifetimes import USUAL
from certs.rotation import Add, Publish, Remember
from certs.site import CONFIGURATIONS
from tests.support.fake_cluster import CONFIGURATION, NAMES, SECRET, SECRETS, START, FakeCluster
from tests.support.interleaving import SERVED_NAMES, RecordingListener, verifies

if TYPE_CHECKING:
    from cryptography import x509

    from certs.api import ApiResponse
    from certs.pair import Pair


SECONDS: Final = 10


class Kept:
    """A keeper and what it told."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster, self.listener = cluster, RecordingListener()
        self.keeper = Keeper(lambda: cluster, NAMES, SERVED_NAMES, self.listener)

    @property
    def leaf(self) -> x509.Certificate:
        """What is served."""
        leaf = self.listener.leaf
        assert leaf is not None
        return leaf

    def look_after(self, time: timedelta) -> None:
        """Let time pass, and look."""
        self.cluster.pass_time(time)
        self.keeper.look()


@pytest.fixture
def cluster() -> FakeCluster:
    """With a configuration whose caBundle is empty."""
    cluster = FakeCluster()
    cluster.configure()
    return cluster


@pytest.fixture
def kept(cluster: FakeCluster) -> Kept:
    """It has looked once."""
    kept = Kept(cluster)
    kept.keeper.look()
    return kept


def test_one_look_is_enough_to_start_with(kept: Kept) -> None:
    assert [type(step) for step in kept.listener.steps] == [Add, Publish, Remember]
    assert verifies(kept.leaf, kept.cluster.bundles[0], START)
    assert kept.keeper.figures.is_ready
    assert kept.keeper.figures.is_in_sync


def test_a_look_at_what_is_well_costs_two_reads(kept: Kept) -> None:
    kept.cluster.calls.clear()
    kept.keeper.look()

    assert kept.cluster.calls == [("GET", CONFIGURATION), ("GET", SECRET)]


def test_the_figures_say_when_leaf_and_authority_expire(kept: Kept) -> None:
    figures = kept.keeper.figures

    assert figures.leaf_not_after == START + USUAL.leaf
    assert figures.authority_not_after == START + USUAL.authority
    assert figures.authorities == 1
    assert kept.listener.figures == figures


def test_the_time_is_the_api_servers(cluster: FakeCluster) -> None:
    cluster.now = datetime.max.replace(year=2099, tzinfo=START.tzinfo)
    kept = Kept(cluster)
    kept.keeper.look()

    assert verifies(kept.leaf, cluster.bundles[0], cluster.now)


def test_a_second_replica_signs_with_the_same_authority_and_a_key_of_its_own(kept: Kept) -> None:
    other = Kept(kept.cluster)
    other.keeper.look()

    assert other.leaf.issuer == kept.leaf.issuer
    assert other.leaf.public_key() != kept.leaf.public_key()
    assert other.listener.steps == []


def test_a_leafs_key_is_never_sent(kept: Kept) -> None:
    assert kept.listener.pairs[0].key.decode() not in repr(kept.cluster.objects)
    assert "PRIVATE" not in repr(kept.listener.pairs[0])


def test_a_leaf_is_renewed_in_time(kept: Kept) -> None:
    due = renewal(kept.leaf) - START
    kept.look_after(due - timedelta(seconds=1))
    assert len(kept.listener.pairs) == 1
    kept.look_after(timedelta(seconds=2))

    assert len(kept.listener.pairs) == 2


class FailingApi:
    """An API server that nobody reaches."""

    def request(self, *_: object, **__: object) -> ApiResponse:
        """Fail."""
        message = "connection refused"
        raise ApiUnreachableError(message)


def test_without_an_api_server_what_is_served_stays(cluster: FakeCluster) -> None:
    class Sometimes:
        api: FakeCluster | FailingApi = cluster

        def request(self, *arguments: Any, **parameters: Any) -> ApiResponse:
            return self.api.request(*arguments, **parameters)

    sometimes, listener = Sometimes(), RecordingListener()
    keeper = Keeper(lambda: sometimes, NAMES, SERVED_NAMES, listener)
    keeper.look()
    before = keeper.figures
    sometimes.api = FailingApi()
    cluster.pass_time(USUAL.leaf * 0.7)
    with pytest.raises(ApiUnreachableError):
        keeper.look()
    assert (len(listener.pairs), keeper.figures) == (1, before)
    sometimes.api = cluster
    keeper.look()

    assert len(listener.pairs) == 2


@pytest.mark.parametrize(
    ("method", "path"), [("GET", SECRET), ("GET", CONFIGURATION), ("POST", SECRETS), ("PATCH", CONFIGURATION), ("PUT", SECRET)]
)
def test_a_right_that_is_missing_at_the_start_is_told(cluster: FakeCluster, method: str, path: str) -> None:
    cluster.refused[method, path] = 403
    with pytest.raises(ApiRefusedError, match=f"403 {method} {path} is refused"):
        Kept(cluster).keeper.look()


@pytest.mark.parametrize(("method", "path"), [("GET", SECRET), ("GET", CONFIGURATION), ("PUT", SECRET)])
def test_a_right_that_is_lost_later_takes_nothing_away(kept: Kept, method: str, path: str) -> None:
    kept.cluster.refused[method, path] = 403
    kept.cluster.pass_time(USUAL.authority * 0.7)
    with pytest.raises(ApiRefusedError):
        kept.keeper.look()

    assert len(kept.listener.pairs) >= 1
    assert kept.keeper.figures.is_ready


def test_a_replica_that_loses_every_race_gives_up_for_a_while(cluster: FakeCluster) -> None:
    cluster.refused["POST", SECRETS] = 409
    Kept(cluster).keeper.look()

    assert cluster.calls.count(("POST", SECRETS)) == MAX_STEPS


def test_a_secret_of_the_chart_is_filled_without_the_right_to_create(cluster: FakeCluster) -> None:
    cluster.put_secret({"metadata": {"name": NAMES.secret, "labels": {"app": "chart"}}})
    cluster.refused["POST", SECRETS] = 403
    Kept(cluster).keeper.look()

    assert cluster.objects[SECRET]["metadata"]["labels"] == {"app": "chart"}
    assert len(cluster.bundles[0]) == 1


def test_replicas_go_over_to_the_second_authority_while_both_are_trusted(kept: Kept) -> None:
    first = kept.cluster.bundles[0][0]
    kept.look_after(USUAL.authority * 0.67)
    assert [bundle[0] for bundle in kept.cluster.bundles] == [first]
    kept.look_after(USUAL.settle)
    second = kept.cluster.bundles[0][1]

    assert kept.leaf.issuer == second.subject
    kept.look_after(USUAL.leaf + USUAL.spare)
    assert kept.cluster.bundles == ((second,),)


def test_after_the_secret_is_lost_nobody_is_distrusted(kept: Kept) -> None:
    leaf = kept.leaf
    kept.cluster.delete_secret()
    kept.keeper.look()

    assert kept.leaf == leaf
    assert verifies(leaf, kept.cluster.bundles[0], START)
    kept.look_after(USUAL.settle)
    assert kept.leaf.issuer == kept.cluster.bundles[0][1].subject


def test_every_webhook_of_the_configuration_gets_the_bundle() -> None:
    cluster = FakeCluster()
    cluster.configure(webhooks=3)
    Kept(cluster).keeper.look()

    assert len(set(cluster.bundles)) == 1
    assert len(cluster.bundles) == 3


def test_the_figures_say_whether_there_is_a_configuration(kept: Kept) -> None:
    assert kept.keeper.figures.is_configured
    kept.cluster.unconfigure()
    kept.keeper.look()

    assert not kept.keeper.figures.is_configured


def test_readiness_stays_where_trust_is_lost(kept: Kept) -> None:
    kept.cluster.refused["PATCH", CONFIGURATION] = 403
    kept.cluster.put_bundle(b"")
    with pytest.raises(ApiRefusedError):
        kept.keeper.look()

    assert kept.keeper.figures.is_ready
    assert not kept.keeper.figures.is_in_sync


def test_a_look_that_may_not_write_has_not_come_to_its_end(kept: Kept) -> None:
    kept.cluster.refused["PATCH", CONFIGURATION] = 403
    kept.cluster.put_bundle(b"")
    before = kept.listener.rests
    with pytest.raises(ApiRefusedError):
        kept.keeper.look()
    assert kept.listener.rests == before

    kept.cluster.refused.clear()
    kept.keeper.look()
    assert kept.listener.rests == before + 1


def test_a_certificate_that_cannot_be_served_is_not_taken_for_served(cluster: FakeCluster) -> None:
    class Refusing(RecordingListener):
        def serve(self, pair: Pair) -> None:
            super().serve(pair)
            if len(self.pairs) == 1:
                raise OSError

    listener = Refusing()
    keeper = Keeper(lambda: cluster, NAMES, SERVED_NAMES, listener)
    with pytest.raises(OSError):  # noqa: PT011  it has no text
        keeper.look()
    keeper.look()

    assert len(listener.pairs) == 2


def test_other_answers_than_success_are_errors_with_the_servers_words(cluster: FakeCluster) -> None:
    cluster.refused["GET", CONFIGURATION] = 500
    with pytest.raises(ApiRefusedError, match="500 GET") as caught:
        Kept(cluster).keeper.look()

    assert not isinstance(caught.value, ConflictError)


class Waiting(RecordingListener):
    """Tells the test's thread when something has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.is_serving = threading.Event()

    def serve(self, pair: Pair) -> None:
        super().serve(pair)
        self.is_serving.set()


def test_the_thread_goes_on_after_an_outage_and_after_a_bug(cluster: FakeCluster) -> None:
    problems = iter([ApiUnreachableError("nobody"), ValueError("a bug")])

    def connect() -> FakeCluster:
        problem = next(problems, None)
        if problem is not None:
            raise problem
        return cluster

    listener = Waiting()
    thread = KeeperThread(Keeper(connect, NAMES, SERVED_NAMES, listener), listener, look_seconds=0.01)
    thread.start()
    try:
        assert listener.is_serving.wait(SECONDS)
    finally:
        thread.stop()

    assert [type(problem) for problem in listener.problems] == [ApiUnreachableError, ValueError]


def test_a_look_that_hangs_does_not_keep_the_process(cluster: FakeCluster) -> None:
    answer = threading.Event()

    class Hanging(FakeCluster):
        def request(self, *arguments: Any, **parameters: Any) -> ApiResponse:
            asked.set()
            answer.wait(SECONDS)
            return cluster.request(*arguments, **parameters)

    asked, listener = threading.Event(), RecordingListener()
    thread = KeeperThread(Keeper(Hanging, NAMES, SERVED_NAMES, listener), listener)
    thread.start()
    assert asked.wait(SECONDS)
    thread.stop()

    assert all(one.daemon for one in threading.enumerate() if one.name == "certificates")
    answer.set()


def test_the_paths_are_those_of_one_secret_and_one_configuration(kept: Kept) -> None:
    assert {path for _, path in kept.cluster.calls} == {SECRET, SECRETS, CONFIGURATION}
    assert CONFIGURATION.startswith(f"{CONFIGURATIONS}/")
