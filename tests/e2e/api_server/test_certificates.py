"""Self-managed certificates on a real API server: replicas that race, lost objects, other writers, expiry, rights; under load."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import certs
from certs.api import APPLY
from certs.authority import make_authority, renewal_time
from certs.bundle import read_bundle, write_bundle
from certs.errors import ApiRefusedError, ApiUnreachableError, ConflictError
from certs.lifetimes import Lifetimes
from certs.rotation import AddAuthority
from certs.store import CONFIGURATIONS, ENTRY, FIELD_MANAGER, AuthorityStore
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.later_api import LaterApi
from tests.e2e.api_server.scripted_webhook import ADDRESS
from tests.e2e.api_server.self_managed_webhook import connect, self_managed_webhook
from tests.e2e.levels import api_server_level
from tests.e2e.objects import created
from tests.e2e.rights import wait_until_in_force
from tests.support.interleaving import trusts_any_own_authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.levels import Level
    from tests.e2e.api_server.self_managed_webhook import SelfManagedWebhook, Serving
    from tests.support.json_object import JSONObject

    Bundle = tuple[x509.Certificate, ...]

SECONDS: Final = 60
CLIENTS: Final = 2
SHORT: Final = Lifetimes(
    authority=timedelta(seconds=30), leaf=timedelta(seconds=8), propagation=timedelta(seconds=3), grace=timedelta(seconds=2)
)
"""Years in half a minute. The settle time is still longer than an API server needs to use a changed caBundle."""

QUICK: Final = replace(Lifetimes(), propagation=timedelta(seconds=3))
CONFIGURATIONS_NAME: Final = "mutatingwebhookconfigurations"
RIGHTS: Final = Path(certs.__file__).with_name("rights.yaml")


def secret_path(webhook: SelfManagedWebhook) -> str:
    """Where its Secret is."""
    return f"/api/v1/namespaces/{webhook.names.namespace}/secrets/{webhook.names.secret}"


def configuration_of(webhook: SelfManagedWebhook) -> JSONObject:
    """Its MutatingWebhookConfiguration now."""
    return webhook.api.get(f"{CONFIGURATIONS}/{webhook.names.configuration}")


def bundle_of(webhook: SelfManagedWebhook) -> Bundle:
    """The certificates of its caBundle."""
    return read_bundle(base64.b64decode(configuration_of(webhook)["webhooks"][0]["clientConfig"].get("caBundle", "")))


def issuers(webhook: SelfManagedWebhook) -> set[x509.Name]:
    """The issuers of the certificates that the replicas serve."""
    return {x509.load_pem_x509_certificate(replica.pairs[-1].certificates).issuer for replica in webhook.replicas if replica.pairs}


def is_done(webhook: SelfManagedWebhook) -> bool:
    """Whether all replicas are ready and have nothing to do."""
    return all(replica.status.is_ready and replica.status.is_in_sync for replica in webhook.replicas)


def begin(webhook: SelfManagedWebhook, replicas: int = 2) -> None:
    """Configure it, start the replicas, and wait for the first pod that is marked."""
    webhook.api.create(webhook.configuration)
    webhook.start(replicas)
    until(lambda: is_done(webhook), "all replicas are ready", SECONDS)
    until(webhook.create_pod, "the first pod is marked", SECONDS)


@contextmanager
def load(webhook: SelfManagedWebhook) -> Iterator[list[bool]]:
    """Several clients create pods within this block; for each pod, whether it was marked."""
    marks: list[bool] = []
    ended = threading.Event()

    def create_on() -> None:
        while not ended.is_set():
            marks.append(webhook.create_pod())

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(create_on) for _ in range(CLIENTS)]
        try:
            yield marks
        finally:
            ended.set()
    for one in running:
        one.result()


def await_more(marks: list[bool]) -> None:
    """Wait until each client has created a pod after this call."""
    so_far = len(marks)
    until(lambda: len(marks) > so_far + 2 * CLIENTS, "further pods are created", SECONDS)


def test_replicas_that_start_at_once_agree_on_one_authority(any_api_server: Level) -> None:
    with self_managed_webhook(any_api_server) as webhook:
        begin(webhook, replicas=6)

        assert len(bundle_of(webhook)) == 1
        assert issuers(webhook) == {bundle_of(webhook)[0].subject}
        assert sum(isinstance(step, AddAuthority) for replica in webhook.replicas for step in replica.actions) == 1
        assert not any(replica.problems for replica in webhook.replicas)


def test_authorities_and_leaves_rotate_and_no_pod_is_missed(api_server: Level) -> None:
    with self_managed_webhook(api_server, SHORT) as webhook:
        begin(webhook)
        first = bundle_of(webhook)[0]
        leaves = len(webhook.replicas[0].pairs)
        with load(webhook) as marks:
            until(lambda: len(bundle_of(webhook)) > 1, "two authorities are trusted", SECONDS)
            await_more(marks)
            until(lambda: first.subject not in issuers(webhook), "the second one signs", SECONDS)
            await_more(marks)
            until(lambda: first not in bundle_of(webhook) and is_done(webhook), "the first one is gone", SECONDS)
            await_more(marks)

        assert all(marks)
        assert len(webhook.replicas[0].pairs) - leaves >= 3
        assert len(bundle_of(webhook)) <= 2


def test_a_secret_that_is_deleted_is_made_anew_and_no_pod_is_missed(api_server: Level) -> None:
    with self_managed_webhook(api_server, QUICK) as webhook:
        begin(webhook)
        first = bundle_of(webhook)[0]
        with load(webhook) as marks:
            api_server.api.delete(secret_path(webhook))
            until(lambda: len(bundle_of(webhook)) > 1, "a second authority is trusted", SECONDS)
            webhook.start(1)
            until(lambda: issuers(webhook) == {bundle_of(webhook)[-1].subject}, "the second one signs for all", SECONDS)
            until(lambda: is_done(webhook), "all are ready", SECONDS)

        assert bundle_of(webhook)[0] == first
        assert len(marks) > 20
        assert all(marks)


def test_a_configuration_that_comes_back_empty_is_filled_again(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        begin(webhook)
        bundle, leaves = bundle_of(webhook), [len(replica.pairs) for replica in webhook.replicas]
        api_server.api.delete(path_of(webhook.configuration))
        api_server.api.create(webhook.configuration)
        until(lambda: bundle_of(webhook) == bundle, "the caBundle is back", SECONDS)
        until(webhook.create_pod, "pods are marked", SECONDS)

        assert [len(replica.pairs) for replica in webhook.replicas] == leaves


def test_a_configuration_that_comes_late_is_waited_for(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        webhook.start()
        until(lambda: is_done(webhook), "replicas are ready without a configuration", SECONDS)
        api_server.api.create(webhook.configuration)

        until(webhook.create_pod, "pods are marked", SECONDS)


def test_the_replicas_own_the_bundle_and_nothing_else(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        begin(webhook)
        entries = configuration_of(webhook)["metadata"]["managedFields"]
        own = [entry for entry in entries if entry["manager"] == FIELD_MANAGER]
        name = webhook.configuration["webhooks"][0]["name"]

        assert [(entry["operation"], entry["fieldsV1"]) for entry in own] == [
            ("Apply", {"f:webhooks": {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}}}})
        ]


STRANGER: Final = "stranger"


@pytest.mark.parametrize("manager", ["helm", "cert-manager-cainjector"])
def test_whoever_takes_the_bundle_by_force_loses_it_again(api_server: Level, manager: str) -> None:
    with self_managed_webhook(api_server) as webhook:
        begin(webhook)
        bundle = bundle_of(webhook)
        for stranger in (make_authority(bundle[0].not_valid_before_utc + timedelta(hours=1), STRANGER) for _ in range(3)):
            document = webhook.configuration
            document["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(stranger.certificate_pem).decode()
            document["webhooks"][0]["timeoutSeconds"] = 7
            connect(api_server.server.kubeconfig).request(
                "PATCH", path_of(document), document, "application/apply-patch+yaml", fieldManager=manager, force="true"
            )
            until(lambda: bundle_of(webhook) == bundle, "the caBundle is the replicas' again", SECONDS)
        until(webhook.create_pod, "pods are marked", SECONDS)

        assert configuration_of(webhook)["webhooks"][0]["timeoutSeconds"] == 7


def test_an_update_of_the_whole_configuration_is_repaired(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        begin(webhook)
        bundle = bundle_of(webhook)
        version = configuration_of(webhook)["metadata"]["resourceVersion"]
        document = webhook.configuration
        document["metadata"]["resourceVersion"] = version
        webhook.api.replace(document)
        until(lambda: bundle_of(webhook) == bundle, "the caBundle is back", SECONDS)

        until(webhook.create_pod, "pods are marked", SECONDS)


def test_what_others_put_on_the_secret_stays(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        metadata = {"name": webhook.names.secret, "namespace": webhook.names.namespace, "labels": {"app": "chart"}}
        api_server.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"other": "eA=="}})
        begin(webhook)
        secret = api_server.api.get(secret_path(webhook))

        assert secret["metadata"]["labels"] == {"app": "chart"}
        assert set(secret["data"]) == {"other", ENTRY}


LARGE: Final = b"x" * (900 * 1024)
LARGE_ENTRIES: Final[dict[str, dict[str, bytes]]] = {
    "Opaque": {"other": LARGE},
    "kubernetes.io/tls": {"tls.crt": LARGE, "tls.key": b""},
    "kubernetes.io/ssh-auth": {"ssh-privatekey": LARGE},
    "kubernetes.io/basic-auth": {"password": LARGE},
    "kubernetes.io/dockercfg": {".dockercfg": b'{"a":"' + LARGE + b'"}'},
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson": b'{"a":"' + LARGE + b'"}'},
}


@pytest.mark.parametrize("secret_type", LARGE_ENTRIES)
def test_a_secret_of_any_type_is_written_however_large_its_other_entries_are(secret_type: str, api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        metadata = {"name": webhook.names.secret, "namespace": webhook.names.namespace}
        data = {key: base64.b64encode(value).decode() for key, value in LARGE_ENTRIES[secret_type].items()}
        api_server.api.create({"apiVersion": "v1", "kind": "Secret", "type": secret_type, "metadata": metadata, "data": data})
        begin(webhook, replicas=1)

        assert ENTRY in api_server.api.get(secret_path(webhook))["data"]


def test_a_late_writer_is_refused(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        begin(webhook, replicas=1)
        store = AuthorityStore(connect(api_server.server.kubeconfig), webhook.names)
        late = store.read()
        webhook.api.patch(path_of(webhook.configuration), {"metadata": {"labels": {"a": "b"}}})
        webhook.api.patch(secret_path(webhook), {"metadata": {"labels": {"a": "b"}}})

        with pytest.raises(ConflictError):
            store.publish_bundle(late, late.state.keyring.bundle)
        with pytest.raises(ConflictError):
            store.save_keyring(late, late.state.keyring)


def test_a_configuration_that_was_deleted_is_not_brought_back(api_server: Level) -> None:
    with self_managed_webhook(api_server) as webhook:
        webhook.api.create(webhook.configuration)
        store = AuthorityStore(connect(api_server.server.kubeconfig), webhook.names)
        late = store.read()
        api_server.api.delete(path_of(webhook.configuration))

        with pytest.raises(ConflictError):
            store.publish_bundle(late, (make_authority(late.state.now).certificate,))
        assert webhook.api.request("GET", path_of(webhook.configuration)).status_code == 404


LONGER: Final = replace(QUICK, leaf=timedelta(seconds=45))
"""So that a leaf is due, and still valid, while an API server is away for half a minute."""


def leaf_of(replica: Serving) -> x509.Certificate:
    """The certificate that it serves."""
    return x509.load_pem_x509_certificate(replica.pairs[-1].certificates)


def served_to(webhook: SelfManagedWebhook, bundle: Bundle) -> bytes:
    """The certificate that a client which trusts this caBundle receives. ssl.SSLError: it does not verify."""
    place = urlsplit(webhook.configuration["webhooks"][0]["clientConfig"]["url"])
    context = ssl.create_default_context(cadata=write_bundle(bundle).decode())
    with (
        socket.create_connection((ADDRESS, place.port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=ADDRESS) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


def test_what_is_served_outlives_the_api_server_and_renewal_goes_on_after_it() -> None:
    with api_server_level("API server that is away while certificates are due") as level, self_managed_webhook(level, LONGER) as webhook:
        begin(webhook)
        bundle = bundle_of(webhook)
        level.server.stop()
        leaves = [leaf_of(replica) for replica in webhook.replicas]
        due = max(renewal_time(leaf) for leaf in leaves)
        until(lambda: datetime.now(UTC) > due, "all leaves are due", 2 * SECONDS)
        until(lambda: all(replica.problems for replica in webhook.replicas), "every replica notices", SECONDS)

        assert {type(problem) for replica in webhook.replicas for problem in replica.problems} == {ApiUnreachableError}
        assert {served_to(webhook, bundle) for _ in leaves} == {leaf.public_bytes(Encoding.DER) for leaf in leaves}
        level.server.start()
        until(lambda: all(leaf_of(replica) not in leaves for replica in webhook.replicas), "all leaves are renewed", SECONDS)
        until(webhook.create_pod, "pods are marked", SECONDS)


def test_after_two_years_everything_is_new(api_server: Level) -> None:
    passed = [timedelta(0)]

    with self_managed_webhook(api_server, through=lambda api: LaterApi(api, passed)) as webhook:
        begin(webhook)
        old = bundle_of(webhook)
        passed.append(timedelta(days=730))
        until(lambda: bundle_of(webhook) and bundle_of(webhook) != old, "a new authority is trusted", SECONDS)
        until(lambda: issuers(webhook) == {bundle_of(webhook)[0].subject}, "it signs for all", SECONDS)

        assert len(bundle_of(webhook)) == 1
        assert trusts_any_own_authority(bundle_of(webhook), bundle_of(webhook)[0].not_valid_after_utc)
        assert not any(replica.problems for replica in webhook.replicas)


USER: Final = "certificate-manager"
RBAC: Final = "rbac.authorization.k8s.io"


def roles(webhook: SelfManagedWebhook) -> list[JSONObject]:
    """The roles of `certs/rights.yaml`, with the names of this webhook."""
    names = {"airflow-sidecar-webhook-authority": webhook.names.secret, "airflow-sidecar-webhook": webhook.names.configuration}
    found: list[JSONObject] = list(yaml.safe_load_all(RIGHTS.read_text("utf-8")))
    for role in found:
        role["metadata"] = {"name": webhook.names.namespace}
        if role["kind"] == "Role":
            role["metadata"]["namespace"] = webhook.names.namespace
        for rule in role["rules"]:
            if "resourceNames" in rule:
                rule["resourceNames"] = [names[name] for name in rule["resourceNames"]]
    return found


@contextmanager
def granted(level: Level, found: Sequence[JSONObject]) -> Iterator[None]:
    """Grant these roles to the user, and wait until the API server's authorizer knows them."""
    with ExitStack() as ends:
        for role in found:
            binding = {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{role['kind']}Binding",
                "metadata": role["metadata"],
                "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": role["metadata"]["name"]},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": USER}],
            }
            ends.enter_context(created(level.api, role))
            ends.enter_context(created(level.api, binding))
        for role in found:
            wait_until_in_force(level.api, USER, role["rules"], role["metadata"].get("namespace", ""))
        yield


def kubeconfig(level: Level) -> Path:
    """The user's kubeconfig."""
    level.server.credentials.client(USER)
    return level.server.credentials.kubeconfig(level.server.server, USER)


def test_the_rights_that_are_documented_are_enough_and_open_nothing_else(api_server: Level) -> None:
    file = kubeconfig(api_server)
    with self_managed_webhook(api_server, SHORT, file) as webhook, granted(api_server, roles(webhook)):
        begin(webhook)
        first = bundle_of(webhook)[0]
        until(lambda: first not in bundle_of(webhook), "a rotation is over", 90)
        user = connect(file)
        namespace = f"/api/v1/namespaces/{webhook.names.namespace}/secrets"
        others = ["/api/v1/namespaces/default/secrets", namespace, f"{namespace}/other", CONFIGURATIONS, f"{CONFIGURATIONS}/other"]

        assert not any(replica.problems for replica in webhook.replicas)
        assert {path: user.request("GET", path).status for path in others} == dict.fromkeys(others, 403)
        assert user.request("DELETE", secret_path(webhook)).status == 403
        assert user.request("PATCH", f"{CONFIGURATIONS}/other", {}, APPLY, fieldManager=FIELD_MANAGER).status == 403


@pytest.mark.parametrize(
    ("resource", "verb"), [("secrets", "get"), ("secrets", "create"), (CONFIGURATIONS_NAME, "get"), (CONFIGURATIONS_NAME, "patch")]
)
def test_without_one_of_the_rights_it_says_which(api_server: Level, resource: str, verb: str) -> None:
    with (
        self_managed_webhook(api_server, kubeconfig=kubeconfig(api_server)) as webhook,
        granted(api_server, without(roles(webhook), resource, verb)),
    ):
        webhook.api.create(webhook.configuration)
        webhook.start(1)
        problem = until(lambda: webhook.replicas[0].problems, "a round fails", SECONDS)[0]

        assert isinstance(problem, ApiRefusedError)
        assert f'cannot {verb} resource "{resource}"' in str(problem)
        assert not webhook.replicas[0].status.is_ready


def test_without_the_right_to_update_the_secret_what_is_there_goes_on(api_server: Level) -> None:
    file = kubeconfig(api_server)
    with self_managed_webhook(api_server, kubeconfig=file) as webhook, granted(api_server, without(roles(webhook), "secrets", "update")):
        webhook.api.create(webhook.configuration)
        webhook.start(1)
        problem = until(lambda: webhook.replicas[0].problems, "a round fails", SECONDS)[0]
        until(webhook.create_pod, "pods are marked", SECONDS)

        assert 'cannot update resource "secrets"' in str(problem)


def without(found: list[JSONObject], resource: str, verb: str) -> list[JSONObject]:
    """The same roles without one right."""
    for rule in (rule for role in found for rule in role["rules"] if resource in rule["resources"]):
        rule["verbs"] = [one for one in rule["verbs"] if one != verb]
    return [{**role, "rules": [rule for rule in role["rules"] if rule["verbs"]]} for role in found]
