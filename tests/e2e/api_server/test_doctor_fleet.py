"""``doctor -A``, its wait and the settings of an installed webhook, on a real API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.api_server.doctor import INCOMPLETE, NO_PROBLEM, PROBLEM, diagnose, run_doctor
from tests.e2e.api_server.dormant_webhook import dormant_webhook
from tests.e2e.api_server.ended_pods import SUCCEEDED, end, ended_pod
from tests.e2e.namespaces import new_namespace
from tests.e2e.objects import created
from tests.e2e.rights import rule, user_who_may, wait_until_in_force

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

LISTS_NAMESPACES = rule("list", "namespaces")
LISTS_PODS = rule("list", "pods")


@pytest.fixture
def namespace(api_server: Level) -> Iterator[str]:
    with new_namespace(api_server.api, "fleet") as name:
        yield name


def fleet(level: Level, user: str = "admin", *arguments: str) -> tuple[subprocess.CompletedProcess[str], JSONObject]:
    """Run it with this user's credentials; how it ended, and its JSON."""
    kubeconfig = level.server.credentials.kubeconfig(level.server.server, user)
    done = run_doctor(kubeconfig, "-A", "-o", "json", *arguments)
    assert done.stdout, done.stderr
    document: JSONObject = json.loads(done.stdout)
    return done, document


def of(document: JSONObject, namespace: str) -> tuple[JSONObject, list[JSONObject]]:
    """What is said of a namespace, and its stuck pods: other tests have namespaces of their own."""
    (one,) = [one for one in document["namespaces"] if one["namespace"] == namespace]
    return one, [pod for pod in document["stuck_pods"] if pod["namespace"] == namespace]


def test_the_stuck_pods_of_a_namespace_that_has_opted_in_are_listed_all_pages_of_it(api_server: Level, namespace: str) -> None:
    names = {f"task-{number}" for number in range(55)}
    for name in names:
        ended_pod(api_server, namespace, name, SUCCEEDED)
    done, document = fleet(api_server)
    one, stuck = of(document, namespace)

    assert (done.returncode, done.stderr) == (PROBLEM, "")
    assert (one["running"], one["stuck"], one["failure"]) == (55, 55, "")
    assert {pod["name"] for pod in stuck} == names
    assert {(pod["reason"], pod["course"]["running"][0]["name"]) for pod in stuck} == {("sidecars-quit", "istio-proxy")}
    assert document["stuck_slot_hours"] >= 55


def test_a_namespace_that_may_not_be_listed_is_a_row_and_the_other_one_is_read(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "task", SUCCEEDED)
    group = "rbac.authorization.k8s.io"
    with new_namespace(api_server.api, "fleet-closed") as closed, user_who_may(api_server.server, "fleet-reader", LISTS_NAMESPACES) as user:
        role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "pods", "namespace": namespace}, "rules": [LISTS_PODS]}
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "pods", "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "pods"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
        with created(api_server.api, role), created(api_server.api, binding):
            wait_until_in_force(api_server.api, user, [LISTS_PODS], namespace)
            done, document = fleet(api_server, user)
            text = run_doctor(api_server.server.credentials.kubeconfig(api_server.server.server, user), "-A").stdout

    assert (done.returncode, document["is_complete"]) == (PROBLEM, False)
    assert [pod["name"] for pod in of(document, namespace)[1]] == ["task"]
    assert 'User "fleet-reader" cannot list resource "pods"' in of(document, closed)[0]["failure"]
    (row,) = [line for line in text.splitlines() if line.startswith(f"{closed} ")]
    assert row.split()[1] == "not-listed"


def test_without_any_right_to_pods_the_check_is_incomplete_and_without_the_namespaces_it_ends(api_server: Level, namespace: str) -> None:
    with user_who_may(api_server.server, "fleet-namer", LISTS_NAMESPACES) as user:
        done, document = fleet(api_server, user)
    with user_who_may(api_server.server, "fleet-nobody") as user:
        refused, failure = fleet(api_server, user)

    assert (done.returncode, of(document, namespace)[0]["running"]) == (INCOMPLETE, 0)
    assert refused.returncode == 2
    assert 'User "fleet-nobody" cannot list resource "namespaces"' in failure["error"]["messages"][0]


def test_the_wait_ends_with_the_stuck_pod(api_server: Level, namespace: str) -> None:
    pod = ended_pod(api_server, namespace, "task", SUCCEEDED)
    kubeconfig = api_server.server.kubeconfig
    short = ("-n", namespace, "--short")
    before = run_doctor(kubeconfig, *short, "--wait", "1")
    end(api_server, pod)
    after = run_doctor(kubeconfig, *short, "--wait", "60")

    assert (before.returncode, before.stdout.split()[0]) == (PROBLEM, "problem")
    assert (after.returncode, after.stdout.split()[0]) == (NO_PROBLEM, "ok")


def test_the_settings_are_those_of_the_installed_deployment_unless_others_are_given(api_server: Level, namespace: str) -> None:
    """The Deployment has no pods here; its webhook selects no namespace."""
    container = {
        "name": "webhook",
        "image": "webhook",
        "env": [
            {"name": "AIRFLOW_SIDECAR_WEBHOOK__NATIVE_SIDECARS", "value": "off"},
            {"name": "AIRFLOW_SIDECAR_WEBHOOK__SIDECARS_FILE", "value": "/rules/sidecars.yaml"},
        ],
        "volumeMounts": [{"name": "rules", "mountPath": "/rules"}],
    }
    metadata = {"name": "fleet", "namespace": namespace}
    rows = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"sidecars.yaml": "[]"}}
    volumes = [{"name": "rules", "configMap": {"name": "fleet"}}]
    with created(api_server.api, rows), dormant_webhook(api_server.api, metadata, containers=[container], volumes=volumes):
        installed, given = diagnose(api_server, namespace), diagnose(api_server, namespace, NATIVE_SIDECARS="auto")
        with user_who_may(
            api_server.server, "fleet-other", rule("list", "mutatingwebhookconfigurations", "admissionregistration.k8s.io")
        ) as user:
            assumed = diagnose(api_server, namespace, user)

    assert f"the Deployment fleet in {namespace}" in installed.sentence("settings-installed")
    assert "native-forced-off" in installed.findings
    assert {"native-forced-off", "settings-installed", "settings-assumed"} & given.findings.keys() == set()
    assert 'cannot get resource "deployments"' in assumed.sentence("settings-assumed")
