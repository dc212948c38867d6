"""Options of the chart that change how the API server reaches and trusts the webhook, on a running cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import make_authority, service_names, sign_leaf
from manifests.rendering import NAME
from testbed.wait import until
from tests.e2e.installation.installation import PODS, SECONDS
from tests.e2e.node.namespace import namespace_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certs.authority import Issued
    from tests.e2e.installation.installation import Installation
    from tests.support.json_object import JSONObject


SECRET: Final = "of-the-admins"  # noqa: S105  the name of an object


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[str]:
    """A namespace that opted in."""
    with namespace_on(installation.level, "options") as namespace:
        yield namespace.name


def signed_by(authority: Issued) -> JSONObject:
    """A Secret with a serving certificate."""
    leaf = sign_leaf(authority, service_names(NAME, NAME), datetime.now(UTC))
    pair = {"tls.crt": leaf.certificate_pem.decode(), "tls.key": leaf.key_pem.decode()}
    metadata = {"name": SECRET, "namespace": NAME}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": pair}


def test_pods_are_patched_with_a_certificate_of_the_admins(installation: Installation, tasks: str) -> None:
    authority = make_authority(datetime.now(UTC), "corp")
    installation.make_namespace()
    installation.level.api.create(signed_by(authority))
    files = {"source": "secret", "secret": {"name": SECRET, "caBundle": authority.certificate_pem.decode()}}

    with installation.installed(certificates=files):
        until(lambda: installation.patches(tasks), "pods are patched", SECONDS)

        assert {leaf.issuer for leaf in installation.served()} == {authority.certificate.subject}
        assert installation.bundle() == (authority.certificate,)


def test_pods_are_patched_by_a_service_on_the_nodes_network(installation: Installation, tasks: str) -> None:
    unrestricted = {"pod-security.kubernetes.io/enforce": "privileged"}
    with installation.installed(replicas=1, namespace_labels=unrestricted, hostNetwork=True):
        until(lambda: installation.patches(tasks), "pods are patched", SECONDS)

        (pod,) = installation.level.api.get(PODS)["items"]
        assert pod["status"]["podIP"] == pod["status"]["hostIP"] == installation.level.node.machine.address
