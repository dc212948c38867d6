"""The reaper for every namespace that has opted in: the chart's rights, what the policy takes away from them again, and whom it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.chart import only
from tests.e2e.api_server.ended_pods import FAILED, ended_pod
from tests.e2e.api_server.test_reaper import ITSELF, REFUSED, in_order, kubeconfig_of, rendered
from tests.e2e.api_server.test_reaper_watching import RIGHTS, deadline_of, until_ended
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.objects import created
from tests.e2e.reaper_process import watching_reaper
from tests.e2e.reaping import connect, reap
from tests.e2e.rights import rule, user_who_may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject
    from webhook.kube.client import KubernetesClient

SECONDS: Final = 300
"""Longer than a busy machine takes; only a failing test reaches it."""

MERGE: Final = "application/merge-patch+json"
MESSAGE: Final = "acts only in namespaces with the label airflow-sidecar-webhook=enabled"
EVERYWHERE: Final = {"namespaces": [], "allNamespaces": True, "methods": ["quit", "exec", "deadline"]}
NAMESPACES: Final = rule("list watch", "namespaces")


def cluster_rights(**reaper: object) -> dict[str, str]:
    """The verbs by resource of the ClusterRole."""
    found: dict[str, list[str]] = {}
    for one in only("ClusterRole", rendered(**EVERYWHERE, **reaper))["rules"]:
        for resource in one["resources"]:
            found.setdefault(resource, []).extend(one["verbs"])
    return {resource: " ".join(sorted(verbs)) for resource, verbs in found.items()}


def test_the_cluster_role_has_the_rights_of_a_role_and_namespaces_and_there_is_no_role_beside_it() -> None:
    connections = {"pods/portforward": "get create", "pods/exec": "get create"}
    acting = {"pods": "get list watch patch", "events": "create patch", **connections}
    assert cluster_rights() == in_order({"namespaces": "list", **acting})
    assert cluster_rights(kind="Deployment") == in_order({"namespaces": "list watch", **acting})
    assert cluster_rights(mode="observe") == {"namespaces": "list", "pods": "list", "events": "create patch"}
    assert [one for one in rendered(**EVERYWHERE) if one["kind"] == "Role"] == []


def test_without_that_choice_there_is_no_cluster_role() -> None:
    assert [one for one in rendered(kind="Deployment") if one["kind"] == "ClusterRole"] == []


@pytest.fixture(scope="module")
def itself(api_server: Level) -> Iterator[KubernetesClient]:
    """A client with the reaper's identity and all of its rights, under the policy."""
    policies = [one for one in rendered(**EVERYWHERE, kind="Deployment") if one["metadata"]["name"].endswith("-reaper-namespaces")]
    rights = (*RIGHTS.values(), rule("get create", "pods/exec"), NAMESPACES)
    with (
        created(api_server.api, only("ValidatingAdmissionPolicy", policies)),
        created(api_server.api, only("ValidatingAdmissionPolicyBinding", policies)),
        user_who_may(api_server.server, ITSELF, *rights),
        new_namespace(api_server.api, "probe", **NOT_OPTED_IN) as probe,
    ):
        client = connect(kubeconfig_of(api_server, ITSELF))
        event = event_in(probe)
        until(lambda: status_of(client, "POST", f"/api/v1/namespaces/{probe}/events", event)[0] == REFUSED, "it is in force", SECONDS)
        yield client


def event_in(namespace: str) -> JSONObject:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "reported-", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "any"},
        "reason": "SidecarQuit",
    }


def status_of(client: KubernetesClient, method: str, path: str, body: object, media_type: str = "application/json") -> tuple[int, str]:
    response = client.request(method, path, body, media_type)
    return response.status, response.body.decode()


def attempts(level: Level, client: KubernetesClient, namespace: str) -> dict[str, tuple[int, str]]:
    """What the identity tries in a namespace, and the responses."""
    pod = path_of(ended_pod(level, namespace, "failed", FAILED))
    return {
        "an event": status_of(client, "POST", f"/api/v1/namespaces/{namespace}/events", event_in(namespace)),
        "a deadline": status_of(client, "PATCH", pod, {"spec": {"activeDeadlineSeconds": 60}}, MERGE),
        "a port-forward": status_of(client, "POST", f"{pod}/portforward?ports=15020", None),
        "a command": status_of(client, "POST", f"{pod}/exec?command=id&container=base", None),
    }


def test_where_a_namespace_has_not_opted_in_the_policy_refuses_all_but_reading(api_server: Level, itself: KubernetesClient) -> None:
    with new_namespace(api_server.api, "foreign", **NOT_OPTED_IN) as namespace:
        found = attempts(api_server, itself, namespace)
    assert {what for what, (status, body) in found.items() if status in {403, REFUSED} and MESSAGE in body} == set(found)


def test_where_a_namespace_has_opted_in_the_policy_refuses_nothing(api_server: Level, itself: KubernetesClient) -> None:
    with new_namespace(api_server.api, "opted-in") as namespace:
        found = attempts(api_server, itself, namespace)
    assert {what for what, (_, body) in found.items() if MESSAGE in body} == set()
    assert (found["an event"][0], found["a deadline"][0]) == (201, 200)


def test_the_controller_serves_the_namespaces_that_have_opted_in_and_those_that_do_so_later(api_server: Level) -> None:
    api = api_server.api
    with (
        new_namespace(api, "opted-in") as early,
        new_namespace(api, "later", **NOT_OPTED_IN) as late,
        new_namespace(api, "foreign", **NOT_OPTED_IN) as foreign,
        user_who_may(api_server.server, "everywhere", *RIGHTS.values(), NAMESPACES),
    ):
        ended = {namespace: ended_pod(api_server, namespace, "failed", FAILED) for namespace in (early, late, foreign)}
        options = ("--all-namespaces", "--lease", early, "--grace", "0", "--methods", "deadline")
        with watching_reaper(api_server, "everywhere", kubeconfig_of(api_server, "everywhere"), *options):
            until_ended(api_server, ended[early])
            assert deadline_of(api_server, ended[late]) is None
            api.patch(f"/api/v1/namespaces/{late}", {"metadata": {"labels": {"airflow-sidecar-webhook": "enabled"}}})
            until_ended(api_server, ended[late])
        assert deadline_of(api_server, ended[foreign]) is None


def test_a_pass_over_all_namespaces_reads_only_those_that_have_opted_in(api_server: Level) -> None:
    with (
        new_namespace(api_server.api, "opted-in") as namespace,
        new_namespace(api_server.api, "foreign", **NOT_OPTED_IN) as foreign,
        user_who_may(api_server.server, "everywhere-once", RIGHTS["pods"], RIGHTS["events"], NAMESPACES),
    ):
        for name in (namespace, foreign):
            ended_pod(api_server, name, "failed", FAILED)
        report = reap(kubeconfig_of(api_server, "everywhere-once"), "-A", "--dry-run", "--methods", "deadline")
    seen = {pod["namespace"] for pod in report["pods"]}
    assert (namespace in seen, foreign in seen) == (True, False)
