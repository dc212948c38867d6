"""The reaper's rights on a real API server: what each is for, and what the policy leaves of the right to patch, field by field."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import yaml

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import NAME, render
from testbed import binaries
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.chart import only
from tests.e2e.api_server.ended_pods import FAILED, FLUENT_BIT, PROXY, RUNNING, SUCCEEDED, ended_pod, report
from tests.e2e.api_server.self_managed_webhook import connect as connect_api
from tests.e2e.levels import require
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.objects import created
from tests.e2e.reaping import DisturbedApi, connect, reap, sweep
from tests.e2e.rights import rule, user_who_may
from webhook.command.exit_code import ExitCode
from webhook.command.main import run
from webhook.reaper.act import Method
from webhook.reaper.decision import ReaperPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certs.api import ApiResponse
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

RELEASE: Final = "a-reaping"
ITSELF: Final = f"system:serviceaccount:{NAME}:{RELEASE}-reaper"
MERGE: Final = "application/merge-patch+json"
DEADLINE: Final[JSONObject] = {"spec": {"activeDeadlineSeconds": 60}}
SECONDS: Final = 300
"""Longer than a busy machine takes; only a failing test reaches it."""

PROBLEM: Final = ExitCode.PROBLEM
OK: Final = 200
REFUSED: Final = 422
ADDED: Final = {"key": "added", "operator": "Exists", "effect": "NoExecute"}


def rendered(**reaper: object) -> list[JSONObject]:
    """The objects of the reaper, as the chart renders them."""
    require(binaries.HELM)
    values = {
        "fullnameOverride": RELEASE,
        "reaper": {"enabled": True, "kind": "CronJob", "mode": "act", "namespaces": ["airflow"], **reaper},
    }
    return [one for one in yaml.safe_load_all(render(values, POLICY_KUBERNETES, only="reaper.yaml")) if one]


@pytest.fixture(scope="module", params=["api_server", "newest_api_server"])
def level(request: pytest.FixtureRequest) -> Level:
    """The pinned Kubernetes, and the newest."""
    found: Level = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def namespace(level: Level) -> Iterator[str]:
    """A namespace under the policy, in which the reaper's identity and another one may patch pods."""
    objects = rendered()
    may_patch = rule("get patch update create", "pods pods/ephemeralcontainers pods/resize pods/status")
    with (
        new_namespace(level.api, "reaping", **NOT_OPTED_IN) as namespace,
        created(level.api, only("ValidatingAdmissionPolicy", objects)),
        created(level.api, only("ValidatingAdmissionPolicyBinding", objects)),
        user_who_may(level.server, ITSELF, may_patch),
        user_who_may(level.server, "somebody", may_patch),
    ):
        pod = ended_pod(level, namespace, "probe", FAILED)
        labels = {"metadata": {"labels": {"a": "b"}}}
        until(lambda: patched(level, ITSELF, pod, labels).status == REFUSED, "the policy is in force", SECONDS)
        yield namespace


def kubeconfig_of(level: Level, user: str) -> Path:
    kubeconfig = level.server.credentials.kubeconfig(level.server.server, user)
    # To the Kubernetes client the colons of the name would be between the paths of several files.
    return kubeconfig.replace(kubeconfig.with_name(f"{user.rpartition(':')[2]}.kubeconfig"))


def patched(level: Level, user: str, pod: JSONObject, change: JSONObject, subresource: str = "") -> ApiResponse:
    """The response to a merge patch as a dry run."""
    return connect_api(kubeconfig_of(level, user)).request("PATCH", path_of(pod) + subresource, change, MERGE, dryRun="All")


def test_the_reaper_sets_the_deadline_of_a_failed_task(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "failed", FAILED)
    response = patched(level, ITSELF, pod, {"metadata": {"uid": pod["metadata"]["uid"]}} | DEADLINE)
    assert response.status == OK, response.body


CHANGES: Final[dict[str, tuple[JSONObject, str]]] = {
    "an image": ({"spec": {"containers": []}}, ""),
    "a toleration": ({"spec": {"tolerations": [ADDED]}}, ""),
    "a label": ({"metadata": {"labels": {"a": "b"}}}, ""),
    "an annotation": ({"metadata": {"annotations": {"a": "b"}}}, ""),
    "a finalizer": ({"metadata": {"finalizers": ["example.com/for-ever"]}}, ""),
    "an owner": ({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "gone", "uid": "gone"}]}}, ""),
    "its status": ({"status": {"phase": "Succeeded"}}, "/status"),
    "a debug container": ({"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}}, "/ephemeralcontainers"),
}


def change_of(pod: JSONObject, what: str) -> tuple[JSONObject, str]:
    """The merge patch, and the subresource; it replaces a list as a whole."""
    change, subresource = copy.deepcopy(CHANGES[what])
    if "containers" in change.get("spec", {}):
        first, *others = pod["spec"]["containers"]
        change["spec"]["containers"] = [first | {"image": "evil"}, *others]
    if "tolerations" in change.get("spec", {}):
        change["spec"]["tolerations"] = [*pod["spec"]["tolerations"], ADDED]
    return change, subresource


@pytest.mark.parametrize("what", CHANGES)
def test_the_reaper_changes_nothing_else_of_such_a_pod(what: str, level: Level, namespace: str) -> None:
    pod = level.api.get(f"/api/v1/namespaces/{namespace}/pods/probe")
    refused = patched(level, ITSELF, pod, *change_of(pod, what))

    assert refused.status == REFUSED, refused.body
    assert f"{RELEASE}-reaper" in refused.body["message"]


@pytest.mark.parametrize("what", ["an image", "a label", "a finalizer", "its status"])
def test_the_policy_is_for_the_reaper_alone(what: str, level: Level, namespace: str) -> None:
    pod = level.api.get(f"/api/v1/namespaces/{namespace}/pods/probe")
    assert patched(level, "somebody", pod, *change_of(pod, what)).status == OK


def test_where_the_user_names_the_container_of_the_task_its_failure_counts(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "named", RUNNING, {"name": "work", "image": "work"})
    report(level, pod, "Running", RUNNING, FAILED)
    assert patched(level, ITSELF, pod, DEADLINE).status == REFUSED
    annotated(level, pod, "airflow-sidecar-webhook/main-container", "work")
    assert patched(level, ITSELF, pod, DEADLINE).status == OK


def test_the_reaper_does_not_raise_a_deadline_or_take_it_away(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "ending", FAILED, activeDeadlineSeconds=60)
    tried = {seconds: patched(level, ITSELF, pod, {"spec": {"activeDeadlineSeconds": seconds}}).status for seconds in (59, 61, None)}
    assert tried == {59: OK, 61: REFUSED, None: REFUSED}


def annotated(level: Level, pod: JSONObject, annotation: str, value: str | None) -> JSONObject:
    """The pod with this annotation; None: without it."""
    return level.api.patch(path_of(pod), {"metadata": {"annotations": {annotation: value}}})


def beside_a_failure(level: Level, namespace: str) -> JSONObject:
    """A pod whose task runs while its proxy has failed."""
    return report(level, ended_pod(level, namespace, "beside-a-failure", RUNNING), "Running", RUNNING, FAILED)


def test_the_reaper_sets_no_deadline_of_another_pod(level: Level, namespace: str) -> None:
    others = {
        "foreign": ended_pod(level, namespace, "foreign", FAILED, is_airflows=False),
        "successful": ended_pod(level, namespace, "successful", SUCCEEDED),
        "at work": ended_pod(level, namespace, "at-work", RUNNING),
        "pending": ended_pod(level, namespace, "pending", FAILED, phase="Pending"),
        "not marked": annotated(level, ended_pod(level, namespace, "not-marked", FAILED), "airflow-sidecar-webhook/status", None),
        "switched off": annotated(level, ended_pod(level, namespace, "switched-off", FAILED), "airflow-sidecar-webhook/mode", "off"),
        "run again": ended_pod(level, namespace, "run-again", FAILED, restartPolicy="OnFailure"),
        "another container has failed": beside_a_failure(level, namespace),
    }
    assert {name: patched(level, ITSELF, pod, DEADLINE).status for name, pod in others.items()} == dict.fromkeys(others, REFUSED)


def test_the_policy_lists_every_field_that_the_api_server_knows(level: Level, namespace: str) -> None:
    del namespace
    schemas = level.api.get("/openapi/v3/api/v1")["components"]["schemas"]
    (policy,) = [one for one in rendered() if one["kind"] == "ValidatingAdmissionPolicy"]
    (expression,) = [one["expression"] for one in policy["spec"]["validations"] if "no field of a pod" in one["message"]]

    missing = [field for field in schemas["io.k8s.api.core.v1.PodSpec"]["properties"] if f"object.spec.?{field} ==" not in expression]
    assert missing == ["activeDeadlineSeconds"]


ROLE: Final = {"pods": "get list watch patch", "pods/portforward": "get create", "events": "create patch"}
"""What the chart grants by default; the test below compares."""

LEASE: Final = {"leases": "create get update"}
"""What the chart grants the controller in its own namespace."""


def rights(namespace: str = "airflow", **reaper: object) -> dict[str, str]:
    """The verbs by resource of the Role in a namespace."""
    found: dict[str, set[str]] = {}
    for role in [one for one in rendered(**reaper) if one["kind"] == "Role" and one["metadata"]["namespace"] == namespace]:
        for rule_ in role["rules"]:
            for resource in rule_["resources"]:
                found.setdefault(resource, set()).update(rule_["verbs"])
    return {resource: " ".join(sorted(verbs)) for resource, verbs in found.items()}


def in_order(role: dict[str, str]) -> dict[str, str]:
    """The same, each with its verbs in their order."""
    return {resource: " ".join(sorted(verbs.split())) for resource, verbs in role.items()}


def test_the_role_has_the_rights_that_the_methods_need_and_no_others() -> None:
    assert rights() == in_order(ROLE)
    assert rights(mode="observe") == {"pods": "list", "events": "create patch"}
    assert rights(methods=["quit"]) == {"pods": "get list watch", "pods/portforward": "create get", "events": "create patch"}
    assert rights(methods=["exec"]) == {"pods": "get list watch", "pods/exec": "create get", "events": "create patch"}


def test_the_controllers_role_is_the_same_and_it_has_its_lease_in_its_own_namespace() -> None:
    assert rights(kind="Deployment") == in_order(ROLE)
    assert rights(kind="Deployment", mode="observe") == {"pods": "list watch", "events": "create patch"}
    assert rights(NAME, kind="Deployment") == in_order(LEASE)
    assert rights(NAME) == {}


def test_cron_job_and_deployment_have_a_command_line_that_the_program_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    everything = {"methods": ["quit", "exec"], "graceSeconds": 60, "unmarked": True, "endSuccessful": True, "namespaces": ["a", "b"]}
    (container,) = only("CronJob", rendered(**everything))["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))

    # Code 2, as there is no cluster; a wrong argument would end the process.
    assert run(container["args"]) == 2

    for scope in ({}, {"namespaces": [], "allNamespaces": True}):
        deployment = only("Deployment", rendered(kind="Deployment", **{**everything, **scope}))
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert run(container["args"]) == 2


class MissingRight(NamedTuple):
    """The rights that somebody has instead of all, and the methods that need the missing one."""

    rules: list[JSONObject]
    methods: str


FORWARD: Final = rule("get create", "pods/portforward")
EVENTS: Final = rule("create patch", "events")
MISSING: Final = {
    "list pods": MissingRight([rule("get watch patch", "pods"), FORWARD, EVENTS], "quit,deadline"),
    "get pods": MissingRight([rule("list watch patch", "pods"), FORWARD, EVENTS], "quit,deadline"),
    "watch pods": MissingRight([rule("get list patch", "pods"), FORWARD, EVENTS], "quit,deadline"),
    "patch pods": MissingRight([rule("get list watch", "pods"), FORWARD, EVENTS], "deadline"),
    "get and create pods/portforward": MissingRight([rule("get list watch patch", "pods"), EVENTS], "quit"),
    "get and create pods/exec": MissingRight([rule("get list watch patch", "pods"), FORWARD, EVENTS], "exec"),
    "create and patch events": MissingRight([rule("get list watch patch", "pods"), FORWARD], ""),
}


@pytest.mark.parametrize("right", MISSING)
def test_a_missing_right_is_named(right: str, level: Level) -> None:
    rights = MISSING[right]
    with new_namespace(level.api, "without-right", **NOT_OPTED_IN) as namespace, user_who_may(level.server, "limited", *rights.rules):
        ended_pod(level, namespace, "failed", FAILED)
        ended_pod(level, namespace, "logs", SUCCEEDED, FLUENT_BIT)
        kubeconfig = kubeconfig_of(level, "limited")

        def named() -> bool:
            report = reap(kubeconfig, "-n", namespace, "--methods", rights.methods)
            return report["code"] == PROBLEM and {one["right"] for one in report["problems"]} == {right}

        until(named, f"{right} is missing, and no other right", SECONDS)


CONNECTIONS: Final = {
    "pods/portforward": (ReaperPolicy(timedelta(), methods=frozenset({Method.QUIT})), PROXY),
    "pods/exec": (ReaperPolicy(timedelta(), methods=frozenset({Method.EXEC})), FLUENT_BIT),
}


@pytest.mark.parametrize("resource", CONNECTIONS)
def test_a_connection_to_a_pod_needs_get_and_on_the_newest_server_create(
    resource: str, level: Level, request: pytest.FixtureRequest
) -> None:
    is_newest = request.node.callspec.params["level"] == "newest_api_server"
    # There is no kubelet: with the right the connection fails, and without it it is forbidden.
    expected = {"get": "forbidden" if is_newest else "failed", "create": "forbidden", "get create": "failed"}
    found = {}
    for number, verbs in enumerate(expected):
        rights = rule("get list watch", "pods"), rule(verbs, resource)
        with (
            new_namespace(level.api, "connecting", **NOT_OPTED_IN) as namespace,
            user_who_may(level.server, f"{resource.rpartition('/')[2]}-{number}", *rights) as user,
        ):
            found[verbs] = first_outcome(level, user, namespace, resource)
    assert found == expected


def first_outcome(level: Level, user: str, namespace: str, resource: str) -> str:
    """The outcome of the first act on a pod, which then disappears."""
    policy, sidecar = CONNECTIONS[resource]
    pod = ended_pod(level, namespace, "connected", SUCCEEDED, sidecar)
    client = connect(kubeconfig_of(level, user))
    until(lambda: client.request("GET", f"/api/v1/namespaces/{namespace}/pods").status == OK, f"{user} may list pods", SECONDS)
    api = DisturbedApi(client, watch=[lambda: level.api.delete(path_of(pod), gracePeriodSeconds="0")])
    (report,) = sweep(api, namespace, policy).pods
    return report.acts[0].outcome
