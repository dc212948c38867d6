"""The chart with certificates from cert-manager: its real controllers and its cainjector beside a node.

Not shown: cert-manager's own webhook, which does not run here (`testbed.cert_manager`).
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import make_authority
from certs.bundle import read_bundle
from manifests.rendering import NAME
from testbed import binaries, cert_manager
from testbed.cert_manager import CertManager
from testbed.images.webhook_image import webhook_image
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.installation.clean_node import clean_node_level
from tests.e2e.installation.creations import without_a_gap
from tests.e2e.installation.installation import CONFIGURATION, PODS, SECONDS, Installation
from tests.e2e.levels import require, timed_start
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from certs.authority import Issued
    from testbed.api import ApiClient
    from testbed.levels import NodeLevel


SOURCE: Final = {"source": "cert-manager"}
SECRETS: Final = f"/api/v1/namespaces/{NAME}/secrets"
SERVING: Final = f"{SECRETS}/{NAME}-tls"
AUTHORITY: Final = f"{SECRETS}/{NAME}-cert-manager-ca"
LEFT: Final = {f"/api/v1/secrets/{NAME}/{NAME}-{suffix}" for suffix in ("tls", "cert-manager-ca")}
CERTIFICATES: Final = f"/apis/cert-manager.io/v1/namespaces/{NAME}/certificates"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"

ISSUER: Final = {"kind": "ClusterIssuer", "name": "corp"}
BY_ISSUER: Final = {**SOURCE, "certManager": {"issuerRef": ISSUER}}

SIGNED_SECONDS: Final = 60
MOUNTED_SECONDS: Final = 180
"""A kubelet reads the Secrets of an unchanged pod every 60 to 90 s, and the webhook its files every 10 s."""


@pytest.fixture(scope="module")
def level() -> Iterator[NodeLevel]:
    """A node for these tests alone, since cert-manager's custom resources stay on it."""
    require(binaries.CERT_MANAGER)
    with clean_node_level("node, cert-manager's") as level:
        with timed_start("cert-manager"):
            running = CertManager(level.node)
        try:
            yield level
        finally:
            running.end()


@pytest.fixture(scope="module")
def api(level: NodeLevel) -> ApiClient:
    return level.api


@pytest.fixture(scope="module")
def installation(level: NodeLevel) -> Installation:
    """The cluster to install on."""
    return Installation(level, level.node.load(webhook_image()))


@pytest.fixture(scope="module")
def tasks(level: NodeLevel) -> Iterator[str]:
    """A namespace that opted in."""
    with namespace_on(level, "cert-manager-tasks") as namespace:
        yield namespace.name


@pytest.fixture(scope="module")
def installed(installation: Installation, tasks: str) -> Iterator[Installation]:
    """A release with an authority that cert-manager creates."""
    with installation.installed(certificates=SOURCE):
        until(lambda: installation.patches(tasks), "pods are patched", SECONDS)
        yield installation


def test_pods_are_patched_and_an_uninstall_leaves_two_secrets_which_the_next_release_takes_up(
    installation: Installation, tasks: str, api: ApiClient, measured: list[str]
) -> None:
    installation.make_namespace()
    try:
        wait_until_ready(api, NAME, SERVICE_ACCOUNT, "configmaps/kube-root-ca.crt")
        before = installation.objects()

        began = time.monotonic()
        installation.helm("install", certificates=SOURCE)
        until(lambda: installation.patches(tasks), "the first pod is patched", SECONDS)
        measured.append(f"{time.monotonic() - began:7.1f} s to the first patched pod with cert-manager, helm included")
        installation.wait_until_ready()
        first = certificates_in(api, AUTHORITY)

        installation.helm("uninstall")
        installation.wait_until_only(before | LEFT)
        assert installation.objects() >= LEFT

        installation.helm("install", certificates=SOURCE)
        installation.wait_until_ready()
        until(lambda: installation.patches(tasks), "pods are patched again", SECONDS)
        assert installation.bundle() == certificates_in(api, AUTHORITY) == first
        installation.helm("uninstall")
    finally:
        installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=installation.manifest())


def test_the_replicas_serve_a_certificate_of_the_authority_that_cainjector_wrote_into_the_configuration(
    installed: Installation, api: ApiClient
) -> None:
    (leaf,) = certificates_in(api, SERVING)
    (authority,) = certificates_in(api, AUTHORITY)
    managed = api.get(CONFIGURATION)["metadata"]["managedFields"]

    leaf.verify_directly_issued_by(authority)
    assert installed.served() == [leaf, leaf]
    assert installed.bundle() == (authority,)
    assert [entry["manager"] for entry in managed if "f:caBundle" in str(entry)] == ["cert-manager-cainjector"]
    assert {line["level"] for line in installed.logs()} == {"info"}


@pytest.mark.usefixtures("installed")
def test_the_service_has_no_right_to_secrets_nor_to_change_a_configuration(api: ApiClient) -> None:
    rules = api.get(f"{RBAC}/clusterroles/{NAME}")["rules"]

    assert api.get(f"{RBAC}/namespaces/{NAME}/roles")["items"] == []
    assert {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]} == {
        ("nodes", "list"),
        ("nodes", "watch"),
        ("mutatingwebhookconfigurations", "list"),
    }


def test_a_certificate_whose_secret_is_deleted_is_made_again_and_no_pod_is_missed(
    installed: Installation, tasks: str, api: ApiClient, measured: list[str]
) -> None:
    before, bundle = certificates_in(api, SERVING), installed.bundle()
    with without_a_gap(api, tasks) as pods:
        began = time.monotonic()
        api.delete(SERVING)
        until_signed(api, SERVING, before)
        until(lambda: serves(installed), "both replicas serve the new one", MOUNTED_SECONDS)
        measured.append(f"{time.monotonic() - began:7.1f} s from the loss of cert-manager's Secret to replicas that serve another")
        pods.create_at_once()
    assert installed.bundle() == bundle


def test_an_authority_is_renewed_and_then_the_certificate_and_no_pod_is_missed(installed: Installation, tasks: str, api: ApiClient) -> None:
    before, bundle = certificates_in(api, SERVING), installed.bundle()
    with without_a_gap(api, tasks) as pods:
        renew(api, f"{NAME}-ca")
        until_signed(api, AUTHORITY, bundle)
        renew(api, NAME)
        until_signed(api, SERVING, before)
        until(
            lambda: set(installed.bundle()) == {*bundle, *certificates_in(api, AUTHORITY)}, "both authorities are trusted", SIGNED_SECONDS
        )
        have_mounted(installed)
        until(lambda: serves(installed), "both replicas serve the new one", MOUNTED_SECONDS)
        pods.create_at_once()


def test_an_upgrade_to_an_issuer_of_the_admins_and_its_rollback_miss_no_pod(installed: Installation, tasks: str, api: ApiClient) -> None:
    corp = make_cluster_issuer(api)
    with without_a_gap(api, tasks) as pods:
        for verb, values in (("upgrade", {"certificates": BY_ISSUER}), ("rollback", {})):
            before = certificates_in(api, SERVING)
            installed.helm(verb, **values)
            until_signed(api, SERVING, before)
            until(lambda: corp.certificate in installed.bundle(), "the admin's authority is trusted", SIGNED_SECONDS)
            have_mounted(installed)
            until(lambda: serves(installed), "both replicas serve the new one", MOUNTED_SECONDS)
            is_corp = {leaf.issuer == corp.certificate.subject for leaf in installed.served()}
            assert is_corp == {verb == "upgrade"}
            pods.create_at_once()


def certificates_in(api: ApiClient, secret: str) -> tuple[x509.Certificate, ...]:
    """The chain in a Secret; none where there is no Secret yet."""
    answer = api.request("GET", secret)
    return read_bundle(base64.b64decode(answer.json()["data"]["tls.crt"])) if answer.is_success else ()


def until_signed(api: ApiClient, secret: str, before: tuple[x509.Certificate, ...]) -> None:
    """Until another certificate is in a Secret. TimeoutError."""
    until(lambda: certificates_in(api, secret) not in {(), before}, f"another certificate is in {secret}", SIGNED_SECONDS)


def serves(installed: Installation) -> bool:
    """Whether all replicas serve what is in the Secret now."""
    return set(installed.served()) == set(certificates_in(installed.level.api, SERVING))


def renew(api: ApiClient, certificate: str) -> None:
    """Request another certificate before it is due, as ``cmctl renew`` does."""
    path = f"{CERTIFICATES}/{certificate}"
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "requested by a test",
        "lastTransitionTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    others = [one for one in api.get(path)["status"]["conditions"] if one["type"] != "Issuing"]
    api.patch(f"{path}/status", {"status": {"conditions": [*others, issuing]}})


def have_mounted(installed: Installation) -> None:
    """Make the kubelet read the replicas' Secrets now: it does so whenever a pod changes."""
    for pod in installed.pods():
        installed.level.api.patch(f"{PODS}/{pod['metadata']['name']}", {"metadata": {"annotations": {"changed": str(time.monotonic())}}})


def make_cluster_issuer(api: ApiClient) -> Issued:
    """An issuer of the admin's that signs with an authority of their own."""
    corp = make_authority(datetime.now(UTC), "corp")
    metadata = {"name": ISSUER["name"], "namespace": cert_manager.NAMESPACE}
    pair = {"tls.crt": corp.certificate_pem.decode(), "tls.key": corp.key_pem.decode()}
    api.create({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": pair})
    spec = {"ca": {"secretName": ISSUER["name"]}}
    api.create({"apiVersion": cert_manager.API_VERSION, "kind": ISSUER["kind"], "metadata": {"name": ISSUER["name"]}, "spec": spec})
    return corp
