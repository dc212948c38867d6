"""The rights of the running Deployment: what its token may do, and what its log says without each right."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from manifests.rendering import NAME
from testbed.wait import until
from tests.e2e.installation.installation import CONFIGURATION, PODS, SECONDS, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from tests.e2e.installation.installation import Installation
    from tests.support.json_object import JSONObject


RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
ROLES: Final = (f"{RBAC}/clusterroles/{NAME}", f"{RBAC}/namespaces/{NAME}/roles/{NAME}")
CONFIGURATIONS: Final = "mutatingwebhookconfigurations"
RIGHTS: Final = {
    ("nodes", "list"),
    ("nodes", "watch"),
    (CONFIGURATIONS, "list"),
    (CONFIGURATIONS, "get"),
    (CONFIGURATIONS, "patch"),
    ("secrets", "get"),
    ("secrets", "update"),
    ("secrets", "create"),
}
CONFIGURATIONS_PATH: Final = CONFIGURATION.rpartition("/")[0]
FORBIDDEN: Final = 403
OK: Final = 200


@pytest.fixture(scope="module")
def installed(installation: Installation) -> Iterator[Installation]:
    """A release with one replica that ends without a drain."""
    with installation.installed(replicas=1, drainSeconds=0):
        yield installation


@pytest.fixture(scope="module")
def as_pod(installed: Installation) -> Iterator[httpx.Client]:
    """A client of the API server with the pod's own token."""
    (pod,) = installed.pods()
    folder = installed.level.place.folder / "kubelet" / "pods" / pod["metadata"]["uid"] / "volumes" / "kubernetes.io~projected"
    token = installed.level.node.machine.run("sh", "-c", f"cat {folder}/*/token")
    server = installed.level.server
    with httpx.Client(
        base_url=server.server, verify=ssl.create_default_context(cafile=server.credentials.authority_file), trust_env=False
    ) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_the_token_reads_the_secret_of_the_authority_and_no_other(installed: Installation, as_pod: httpx.Client) -> None:
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": NAME}}
    installed.level.api.create(other)

    assert as_pod.get(SECRET).status_code == OK
    for path in (f"/api/v1/namespaces/{NAME}/secrets/other", f"/api/v1/namespaces/{NAME}/secrets", "/api/v1/secrets", PODS):
        assert as_pod.get(path).status_code == FORBIDDEN, path


def test_the_token_changes_its_own_configuration_and_no_other(installed: Installation, as_pod: httpx.Client) -> None:
    other = installed.level.api.get(CONFIGURATION)
    installed.level.api.create({**other, "metadata": {"name": "other"}})
    try:
        answers = {name: patched(as_pod, name).status_code for name in (NAME, "other")}
        deleted = as_pod.delete(CONFIGURATION).status_code
    finally:
        installed.level.api.delete(f"{CONFIGURATIONS_PATH}/other")

    assert answers == {NAME: OK, "other": FORBIDDEN}
    assert deleted == FORBIDDEN


def patched(client: httpx.Client, name: str) -> httpx.Response:
    """The response to a new caBundle as a dry run. The chart's policy refuses any other change (tests/e2e/api_server/test_certificate_policy.py)."""
    headers = {"Content-Type": "application/json-patch+json"}
    change = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Zmlyc3Q="}]
    return client.patch(f"{CONFIGURATIONS_PATH}/{name}", params={"dryRun": "All"}, headers=headers, json=change)


def test_the_rights_are_these(installed: Installation) -> None:
    rules = [rule for role in ROLES for rule in installed.level.api.get(role)["rules"]]

    assert {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]} == RIGHTS


@pytest.mark.parametrize(("resource", "verb"), sorted(RIGHTS))
def test_a_missing_right_is_named_in_the_log(installed: Installation, resource: str, verb: str) -> None:
    with without(installed.level.api, resource, verb):
        # An empty Secret is enough for everything but the right to make one.
        installed.start_anew(1, None if verb == "create" else {})
        wanted = f'cannot {verb} resource \\"{resource}\\"'
        until(lambda: wanted in raw_log(installed), f"the log says {wanted}", SECONDS)


@contextmanager
def without(api: ApiClient, resource: str, verb: str) -> Iterator[None]:
    """The roles without one right."""
    before = {role: api.get(role)["rules"] for role in ROLES}
    for role, rules in before.items():
        api.patch(role, {"rules": [reduced(rule, resource, verb) for rule in rules]})
    yield
    for role, rules in before.items():
        api.patch(role, {"rules": rules})


def reduced(rule: JSONObject, resource: str, verb: str) -> JSONObject:
    """A rule that does not give this right. A rule has to name a verb."""
    verbs = [one for one in rule["verbs"] if resource not in rule["resources"] or one != verb]
    return {**rule, "verbs": verbs or ["deletecollection"]}


def raw_log(installation: Installation) -> str:
    """The replicas' logs so far; for one that has not started, the reason."""
    return "".join(installation.level.api.request("GET", f"{PODS}/{pod['metadata']['name']}/log").text for pod in installation.pods())
