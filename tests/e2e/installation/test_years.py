"""Certificates of the running Deployment expire and are renewed, under load: which pods miss the webhook.

The clocks of the running API server, controllers and kubelet are put ahead, those of the replicas are not: the API server's clock is the
one that verifies certificates.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import BACKDATED, LEAF_LIFE, make_authority, renewal_time
from certs.keyring import Authority, Keyring
from certs.keyring_file import read_keyring, write_keyring
from certs.lifetimes import DEFAULT_LIFETIMES
from certs.store import ENTRY
from manifests.rendering import NAME
from testbed.images.webhook_image import webhook_image
from testbed.wait import until
from tests.e2e.installation.clean_node import clean_node_level
from tests.e2e.installation.creations import FAIL_OPEN, counted, creating, without_a_gap
from tests.e2e.installation.installation import SECONDS, SECRET, Installation
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certs.authority import Issued
    from testbed.api import ApiClient
    from testbed.levels import NodeLevel

ROTATION_SECONDS: Final = 30
"""Three rounds of a replica's certificate manager: a rotation takes more than one, and the machine may be busy."""

TOKEN_SECONDS: Final = 240
"""A kubelet replaces a token that has expired at a pod's next round, a minute or more later, and a client reads it again each minute."""

SETTLE_TIME: Final = DEFAULT_LIFETIMES.propagation + timedelta(minutes=1)
TWO_YEARS: Final = timedelta(days=2 * 365)


class PassingTime:
    """A cluster's time, which can jump ahead."""

    def __init__(self, level: NodeLevel) -> None:
        self._clocks = level.node.clocks()
        self._ahead = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def passes(self, by: timedelta) -> datetime:
        """Jump ahead; the new time."""
        self._ahead += by
        for clock in self._clocks:
            clock.put_ahead(self._ahead)
        return self.now


@pytest.fixture(scope="module")
def aging_node() -> Iterator[NodeLevel]:
    """A node for these tests alone: what is created in its future is not valid for others."""
    with clean_node_level("node, aging") as level:
        yield level


@pytest.fixture(scope="module")
def passing_time(aging_node: NodeLevel) -> PassingTime:
    return PassingTime(aging_node)


@pytest.fixture(scope="module")
def installed(aging_node: NodeLevel) -> Iterator[Installation]:
    installation = Installation(aging_node, aging_node.node.load(webhook_image()))
    with installation.installed():
        yield installation


@pytest.fixture(scope="module")
def tasks(installed: Installation) -> Iterator[str]:
    """A namespace that opted in."""
    with namespace_on(installed.level, "years") as namespace:
        until(lambda: installed.patches(namespace.name), "pods are patched", SECONDS)
        yield namespace.name


@pytest.fixture
def api(installed: Installation) -> ApiClient:
    return installed.level.api


def serves_since(installed: Installation, since: datetime) -> bool:
    """Whether all served certificates were made after this time, by an authority of the caBundle."""
    trusted = {authority.subject for authority in installed.bundle()}
    leaves = installed.served()
    # The times in a certificate are whole seconds.
    made = [leaf.not_valid_before_utc + BACKDATED + timedelta(seconds=1) for leaf in leaves]
    return all(leaf.issuer in trusted for leaf in leaves) and min(made) >= since


def test_a_leaf_is_renewed_and_no_pod_is_missed(installed: Installation, tasks: str, api: ApiClient, passing_time: PassingTime) -> None:
    before = installed.bundle()
    with without_a_gap(api, tasks) as pods:
        due = passing_time.passes(LEAF_LIFE * 5 / 7)
        until(lambda: serves_since(installed, due), "both replicas serve another leaf", ROTATION_SECONDS)
        pods.create_at_once()
    assert installed.bundle() == before


def test_replicas_that_start_after_the_loss_of_the_secret_wait_until_they_are_trusted_and_no_pod_is_missed(
    installed: Installation, tasks: str, api: ApiClient, passing_time: PassingTime
) -> None:
    """The old ones serve on meanwhile, with leaves of an authority whose key is lost."""
    before = {pod["metadata"]["name"] for pod in installed.pods()}
    with without_a_gap(api, tasks) as pods:
        api.delete(SECRET)
        until(lambda: len(installed.bundle()) == 2, "another authority is trusted as well", ROTATION_SECONDS)
        installed.kubectl("--namespace", NAME, "rollout", "restart", "deployment", NAME)
        until(lambda: new_replica(installed, before), "a new replica runs", SECONDS)
        pods.create_at_once()
        until(lambda: unready(installed, new_replica(installed, before)), "it waits to be trusted", ROTATION_SECONDS)
        passing_time.passes(SETTLE_TIME)
        installed.wait_until_ready()
        assert {leaf.issuer for leaf in installed.served()} == {installed.bundle()[-1].subject}
        pods.create_at_once()
    assert not before & {pod["metadata"]["name"] for pod in installed.pods()}


def new_replica(installed: Installation, before: set[str]) -> str:
    """The name of a new pod once it serves its health endpoint; empty before."""
    new = (pod for pod in installed.pods() if pod["metadata"]["name"] not in before)
    # `started` is true from the first success of the startup probe on.
    return next((pod["metadata"]["name"] for pod in new for one in pod["status"].get("containerStatuses", ()) if one["started"]), "")


def unready(installed: Installation, pod: str) -> bool:
    """Whether a replica reports that it serves no trusted certificate yet. RuntimeError: it does not serve yet."""
    address = next(one["status"]["podIP"] for one in installed.pods() if one["metadata"]["name"] == pod)
    return "not every API server trusts the certificate yet" in installed.level.node.machine.run(
        "curl", "-s", f"http://{address}:8080/readyz"
    )


def test_an_authority_is_followed_by_another_and_no_pod_is_missed(
    installed: Installation, tasks: str, api: ApiClient, passing_time: PassingTime
) -> None:
    first = soon_due(passing_time.now)
    keyring = write_keyring(Keyring((Authority(first.certificate, first.key),)))
    installed.start_anew(2, {ENTRY: base64.b64encode(keyring).decode()})
    installed.wait_until_ready()
    until(lambda: installed.patches(tasks), "pods are patched", SECONDS)
    assert installed.bundle() == (first.certificate,)

    with without_a_gap(api, tasks) as pods:
        passing_time.passes(timedelta(days=4))
        until(lambda: len(installed.bundle()) == 2, "both authorities are trusted", ROTATION_SECONDS)
        until(lambda: is_recorded(api), "the Secret records since when", ROTATION_SECONDS)
        assert {leaf.issuer for leaf in installed.served()} == {first.certificate.subject}
        # The API server takes up the caBundle by a watch, in a time that the jump would not leave to it.
        pods.await_more()
        pods.await_more()

        since = passing_time.passes(SETTLE_TIME)
        until(lambda: serves_since(installed, since), "both replicas serve leaves of the second", ROTATION_SECONDS)
        assert first.certificate.subject not in {leaf.issuer for leaf in installed.served()}
        pods.create_at_once()

        for _ in range(2):
            due = partial(serves_since, installed, passing_time.passes(timedelta(days=6)))
            until(due, "both replicas serve another leaf", ROTATION_SECONDS)
        until(lambda: len(installed.bundle()) == 1, "the first authority is gone", ROTATION_SECONDS)
        pods.create_at_once()
    assert first.certificate not in installed.bundle()


def soon_due(now: datetime) -> Issued:
    """An authority that was made months ago and is due for a successor in some days; its serial number decides when."""
    tries = (make_authority(now - timedelta(days=232)) for _ in range(1000))
    return next(one for one in tries if timedelta(days=1) < renewal_time(one.certificate) - now < timedelta(days=4))


def is_recorded(api: ApiClient) -> bool:
    """Whether the Secret records for every authority since when it is trusted."""
    keyring = read_keyring(base64.b64decode(api.get(SECRET)["data"][ENTRY]), DEFAULT_LIFETIMES)
    return keyring is not None and all(authority.trusted_since for authority in keyring.authorities)


def test_after_two_years_at_once_all_has_expired_and_pods_start_unpatched_until_the_replicas_have_renewed(
    installed: Installation, tasks: str, api: ApiClient, passing_time: PassingTime, measured: list[str]
) -> None:
    """Like a cluster that was switched off for two years: the replicas' own tokens have expired too. No pod is refused."""
    before = counted(api, FAIL_OPEN)
    with creating(api, tasks) as pods:
        began = time.monotonic()
        jumped = passing_time.passes(TWO_YEARS)
        pods.create_at_once()
        until(lambda: serves_since(installed, jumped), "both replicas serve another leaf", TOKEN_SECONDS)
        served = time.monotonic()
        until(lambda: installed.patches(tasks), "pods are patched again", ROTATION_SECONDS)
        pods.create_at_once()
    lost = pods.unpatched

    measured.append(
        f"{served - began:7.1f} s from two years ahead to leaves that hold then; {len(lost)} of {len(pods.pods)} pods unpatched"
    )
    assert (pods.unanswered, pods.refused) == ([], [])
    assert all(began <= pod.ended and pod.began <= served + ROTATION_SECONDS for pod in lost)
    assert counted(api, FAIL_OPEN) - before == len(lost)
    with without_a_gap(api, tasks):
        installed.kubectl("--namespace", NAME, "rollout", "restart", "deployment", NAME)
        installed.wait_until_ready()
