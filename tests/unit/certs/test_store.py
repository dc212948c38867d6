"""What is read from and written to the API server, and the errors of it, on a fake cluster (tests/support/fake_cluster.py)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from certs.api import APPLY, JSON, ApiResponse
from certs.authority import make_authority
from certs.bundle import write_bundle
from certs.errors import ApiRefusedError, ApiUnreadableError, ConflictError
from certs.keyring import Authority, Keyring
from certs.keyring_file import write_keyring
from certs.lifetimes import Lifetimes
from certs.store import ENTRY, FIELD_MANAGER, AuthorityStore
from tests.support.fake_cluster import CONFIGURATION, NAMES, SECRET, SECRETS, START, FakeCluster

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

ISSUED: Final = make_authority(START)
KEYRING: Final = Keyring((Authority(ISSUED.certificate, ISSUED.key, START),))


@dataclass
class RecordingCluster(FakeCluster):
    """It records what is written."""

    written: list[tuple[str, str, JSONObject, str, dict[str, str]]] = field(default_factory=list)

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:
        """Record a write, and answer."""
        if body is not None:
            self.written.append((method, path, body, media_type, parameters))
        return super().request(method, path, body, media_type, **parameters)


@pytest.fixture
def cluster() -> RecordingCluster:
    """With a configuration of two webhooks without a caBundle."""
    cluster = RecordingCluster()
    cluster.configure(webhooks=2)
    return cluster


@pytest.fixture
def store(cluster: RecordingCluster) -> AuthorityStore:
    """The objects of this cluster."""
    return AuthorityStore(cluster, NAMES)


def test_a_secret_is_created_in_its_namespace_with_the_keyring_alone(cluster: RecordingCluster, store: AuthorityStore) -> None:
    store.save_keyring(store.read(), KEYRING)

    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": NAMES.secret, "namespace": NAMES.namespace},
        "data": {ENTRY: base64.b64encode(write_keyring(KEYRING)).decode()},
    }
    assert cluster.written == [("POST", SECRETS, secret, JSON, {})]


def test_the_ca_bundle_is_applied_by_a_field_manager_that_owns_nothing_else(cluster: RecordingCluster, store: AuthorityStore) -> None:
    before = cluster.objects[CONFIGURATION]["metadata"]
    store.publish_bundle(store.read(), KEYRING.bundle)

    config = {"caBundle": base64.b64encode(write_bundle(KEYRING.bundle)).decode()}
    applied = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": before,
        "webhooks": [{"name": "webhook-0", "clientConfig": config}, {"name": "webhook-1", "clientConfig": config}],
    }
    assert cluster.written == [("PATCH", CONFIGURATION, applied, APPLY, {"fieldManager": FIELD_MANAGER, "force": "true"})]


def test_the_keyring_has_the_durations_of_the_store_with_a_secret_and_without_one(cluster: RecordingCluster) -> None:
    lifetimes = Lifetimes(propagation=timedelta(minutes=1))
    store = AuthorityStore(cluster, NAMES, lifetimes)
    without = store.read()
    store.save_keyring(without, KEYRING)

    assert without.state.keyring == Keyring((), lifetimes)
    assert store.read().state.keyring == Keyring(KEYRING.authorities, lifetimes)


@pytest.mark.parametrize("config", [{}, {"caBundle": None}, {"caBundle": "x"}, None])
def test_a_ca_bundle_that_is_absent_or_not_base64_is_empty(
    cluster: RecordingCluster, store: AuthorityStore, config: JSONObject | None
) -> None:
    for webhook in cluster.objects[CONFIGURATION]["webhooks"]:
        webhook["clientConfig"] = config
    state = store.read().state

    assert state.bundles == ((), ())
    assert not state.has_other_content


def test_an_object_without_metadata_is_unreadable(cluster: RecordingCluster, store: AuthorityStore) -> None:
    del cluster.objects[CONFIGURATION]["metadata"]

    with pytest.raises(ApiUnreadableError, match=f"^the object at {CONFIGURATION} has no metadata$"):
        store.read()


def test_a_write_after_another_one_is_a_conflict_with_the_servers_message(cluster: RecordingCluster, store: AuthorityStore) -> None:
    without = store.read()
    store.save_keyring(without, KEYRING)
    before = store.read()
    store.save_keyring(before, KEYRING)

    with pytest.raises(ConflictError, match=r"^409 already exists$"):
        store.save_keyring(without, KEYRING)
    with pytest.raises(ConflictError, match=r"^409 the object has been modified$"):
        store.save_keyring(before, KEYRING)
    cluster.delete_secret()
    with pytest.raises(ConflictError, match=r"^404 the object was deleted since it was read$"):
        store.save_keyring(before, KEYRING)


def test_an_error_without_a_message_is_named_by_its_status(cluster: RecordingCluster) -> None:
    class SilentCluster(FakeCluster):
        def request(self, *_: object, **__: object) -> ApiResponse:
            return ApiResponse(503, {}, cluster.now)

    with pytest.raises(ApiRefusedError, match=r"^503 $"):
        AuthorityStore(SilentCluster(), NAMES).read()


def test_a_secret_that_is_there_is_written_with_everything_else_in_it(cluster: RecordingCluster, store: AuthorityStore) -> None:
    cluster.put_secret({"metadata": {"name": NAMES.secret, "labels": {"app": "chart"}}, "type": "Opaque", "data": {"other": "eA=="}})
    found = cluster.objects[SECRET]
    store.save_keyring(store.read(), KEYRING)

    changed = {**found, "data": {"other": "eA==", ENTRY: base64.b64encode(write_keyring(KEYRING)).decode()}}
    assert cluster.written == [("PUT", SECRET, changed, JSON, {})]
