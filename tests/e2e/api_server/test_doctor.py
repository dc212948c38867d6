"""``doctor`` on real API servers: its findings on clusters, webhooks and rights of all kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from testbed.webhook import Webhook
from tests.e2e.api_server.doctor import (
    INCOMPLETE,
    NO_PROBLEM,
    PROBLEM,
    UNUSABLE,
    diagnose,
    node,
    only,
    other_webhook,
    run_doctor,
)
from tests.e2e.api_server.old_types import inject
from tests.e2e.api_server.own_webhook import own_webhook
from tests.e2e.api_server.scripted_webhook import allowed
from tests.e2e.api_server.simulated_injection import inject_with_own_template, injecting
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.objects import created
from tests.e2e.registration import registered, task_pod
from tests.e2e.rights import rule, user_who_may
from webhook.core.names import MODE_ANNOTATION, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply
    from tests.support.json_object import JSONObject


ISTIO: Final = ("istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io")
PREFIXED: Final = "a-mesh-before-us"
FORCED: Final = {"NATIVE_SIDECARS": "on"}
REFUSED: Final = "may not be set for init containers without restartPolicy=Always"


@pytest.fixture
def namespace(api_server: Level) -> Iterator[str]:
    with new_namespace(api_server.api, "doctor") as name:
        yield name


@pytest.fixture
def old_namespace(old_api_server: Level) -> Iterator[str]:
    with new_namespace(old_api_server.api, "doctor") as name:
        yield name


def test_a_healthy_cluster_has_no_problem(api_server: Level, namespace: str) -> None:
    run = diagnose(api_server, namespace)

    assert run.worst == {}
    assert run.code == NO_PROBLEM
    assert {
        "server-version",
        "native-ready",
        "native-dry-run-passed",
        "opted-in",
        "webhook-reachable",
        "webhook-order",
        "no-stuck-pods",
    } <= run.findings.keys()
    assert "airflow-sidecar-webhook/pods.airflow-sidecar-webhook.io (this product's)" in run.sentence("webhook-order")


def test_the_report_for_people_names_the_cluster_and_says_what_to_do(old_api_server: Level, old_namespace: str) -> None:
    done = run_doctor(old_api_server.server.kubeconfig, "-n", old_namespace, **FORCED)

    assert done.returncode == PROBLEM
    assert done.stdout.startswith(f"namespace {old_namespace} on {old_api_server.server.server} (context cluster)\n")
    assert "\n        -> Set native_sidecars to auto" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_newest_minor_version_supports_native_sidecars_too(newest_api_server: Level) -> None:
    with new_namespace(newest_api_server.api, "doctor") as namespace:
        run = diagnose(newest_api_server, namespace)

    assert (run.worst, run.code) == ({}, NO_PROBLEM)
    assert "native-dry-run-passed" in run.findings


def test_native_sidecars_that_are_forced_on_a_cluster_without_them_are_refused_by_the_dry_run(
    old_api_server: Level, old_namespace: str
) -> None:
    run = diagnose(old_api_server, old_namespace, **FORCED)

    assert run.code == PROBLEM
    assert run.findings["server-lacks-native-forced"]["severity"] == "problem"
    sentence = run.sentence("server-lacks-native-forced")
    assert sentence.startswith("Native sidecars are forced on (native_sidecars: on), but the API server does not support them: ")
    assert REFUSED in sentence


def test_a_gate_that_is_off_in_an_emulated_version_is_no_problem_since_no_native_sidecar_is_used_there(
    old_api_server: Level, old_namespace: str
) -> None:
    with node(old_api_server.api, "new", "v1.34.2"):
        run = diagnose(old_api_server, old_namespace)

    assert {"emulated-version", "native-emulating-server", "native-dry-run-failed-unused"} <= run.findings.keys()
    assert (run.code, run.worst) == (NO_PROBLEM, {})


def test_where_no_native_sidecar_is_used_a_cluster_without_them_is_no_problem(old_api_server: Level, old_namespace: str) -> None:
    run = diagnose(old_api_server, old_namespace, NATIVE_SIDECARS="off")

    assert (run.code, run.worst) == (NO_PROBLEM, {})
    assert REFUSED in run.sentence("native-dry-run-failed-unused")


def test_a_webhook_with_old_types_is_named_as_the_cause_and_not_the_api_server(api_server: Level, namespace: str) -> None:
    with other_webhook(api_server.api, "old-types", "old.types.example", only(namespace), inject):
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (PROBLEM, {"webhook-drops-native": "problem"})
    assert "It is one of these: old-types/old.types.example. " in run.sentence("webhook-drops-native")
    assert REFUSED in run.sentence("webhook-drops-native")


def test_a_webhook_with_old_types_is_no_problem_where_no_native_sidecar_is_used(api_server: Level, namespace: str) -> None:
    with other_webhook(api_server.api, "old-types", "old.types.example", only(namespace), inject):
        run = diagnose(api_server, namespace, NATIVE_SIDECARS="off")

    assert (run.code, run.worst) == (NO_PROBLEM, {})
    assert "webhook-drops-native-unused" in run.findings


def test_a_template_of_the_mesh_that_adds_its_proxy_twice_is_found_by_the_dry_run(api_server: Level, namespace: str) -> None:
    """No pod names such a template where it is one of Istio's default templates."""
    with other_webhook(api_server.api, *ISTIO, only(namespace), injecting(inject_with_own_template)):
        run = diagnose(api_server, namespace)
        unused = diagnose(api_server, namespace, NATIVE_SIDECARS="off")

    assert (run.code, run.findings["injected-twice"]["severity"]) == (PROBLEM, "problem")
    assert "Duplicate value" in run.sentence("injected-twice")
    assert f"It is one of these: {'/'.join(ISTIO)}." in run.sentence("injected-twice")
    assert "injected-twice" not in unused.findings


def test_a_webhook_of_another_namespace_is_no_suspect(api_server: Level, namespace: str) -> None:
    with (
        new_namespace(api_server.api, "doctor-other") as other,
        other_webhook(api_server.api, "elsewhere", "pods.elsewhere.example", only(other)),
        other_webhook(api_server.api, "old-types", "old.types.example", only(namespace), inject),
    ):
        assert "elsewhere" not in diagnose(api_server, namespace).sentence("webhook-drops-native")


def test_kubelets_are_counted_and_virtual_nodes_ignored(api_server: Level, namespace: str) -> None:
    with (
        node(api_server.api, "new", "v1.34.2"),
        node(api_server.api, "fargate", "v1.27.1", **{"eks.amazonaws.com/compute-type": "fargate"}),
    ):
        run = diagnose(api_server, namespace)

    assert "Regular nodes: 1. Virtual nodes, which are ignored: 1. The oldest kubelet is 1.34.2, on new." in run.sentence(
        "kubelet-versions"
    )
    assert "native-ready" in run.findings


def test_one_old_kubelet_keeps_native_sidecars_off_and_forcing_them_on_is_a_problem(api_server: Level, namespace: str) -> None:
    with node(api_server.api, "old", "v1.28.9"):
        auto, forced = diagnose(api_server, namespace), diagnose(api_server, namespace, **FORCED)

    assert (auto.code, auto.worst) == (NO_PROBLEM, {})
    assert "The oldest kubelet is 1.28.9, and the minimum is 1.29.3." in auto.sentence("native-old-kubelet")
    assert (forced.code, forced.worst) == (PROBLEM, {"native-forced-on-unsupported": "problem"})


def test_webhooks_are_listed_in_the_order_of_their_names_and_an_injector_after_this_products_is_no_problem(
    api_server: Level, namespace: str
) -> None:
    with other_webhook(api_server.api, *ISTIO, only(namespace)), other_webhook(api_server.api, "b", "pods.b.example", only(namespace)):
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (NO_PROBLEM, {})
    own = "airflow-sidecar-webhook/pods.airflow-sidecar-webhook.io (this product's)"
    assert run.sentence("webhook-order").endswith(f"{own}, b/pods.b.example, {'/'.join(ISTIO)} (injects istio).")


def test_an_injector_that_is_called_first_is_a_warning(api_server: Level, namespace: str) -> None:
    with other_webhook(api_server.api, PREFIXED, ISTIO[1], only(namespace)):
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (NO_PROBLEM, {"injector-called-first": "warning"})
    assert f"{PREFIXED}/{ISTIO[1]} injects istio before airflow-sidecar-webhook" in run.sentence("injector-called-first")


def test_an_injector_that_may_be_called_again_is_reported_with_what_follows(api_server: Level, namespace: str) -> None:
    with other_webhook(api_server.api, *ISTIO, only(namespace), reinvocationPolicy="IfNeeded"):
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (NO_PROBLEM, {})
    assert "would then inject istio a second time" in run.sentence("injector-reinvoked")


def test_each_bad_field_of_this_products_registration_is_reported(api_server: Level) -> None:
    with own_webhook(api_server, reinvocationPolicy="Never", failurePolicy="Fail", timeoutSeconds=30) as own:
        run = diagnose(api_server, own.namespace)
        with other_webhook(api_server.api, "z-mesh", ISTIO[1], only(own.namespace)):
            missed = diagnose(api_server, own.namespace)

    assert (run.code, run.worst) == (NO_PROBLEM, dict.fromkeys(("fails-closed", "webhook-timeout", "not-reinvoked"), "warning"))
    assert (missed.code, missed.findings["injected-sidecar-missed"]["severity"]) == (PROBLEM, "problem")


def test_a_webhook_that_is_down_is_a_problem_though_pods_are_created(api_server: Level) -> None:
    with own_webhook(api_server) as own:
        own.webhook.end()
        run = diagnose(api_server, own.namespace)
        own.webhook.start_again()

    assert (run.code, run.worst) == (PROBLEM, {"webhook-unreachable": "problem"})


def test_a_webhook_whose_mode_is_off_by_default_is_found_to_be_reachable(api_server: Level) -> None:
    webhook = Webhook(api_server.place, "doctor-off", {"MODE": "off"})
    with new_namespace(api_server.api, "doctor", **NOT_OPTED_IN) as namespace:

        def answers_a_pod_with_a_mode(api: ApiClient) -> bool:
            pod = task_pod(namespace)
            pod["metadata"]["annotations"] = {MODE_ANNOTATION: "auto"}
            return STATUS_ANNOTATION in (api.create(pod, dryRun="All")["metadata"]["annotations"])

        with registered(api_server.api, webhook.configuration("doctor-off", namespaceSelector=only(namespace)), answers_a_pod_with_a_mode):
            assert "webhook-reachable" in diagnose(api_server, namespace).findings
    webhook.end()


def test_a_namespace_that_has_not_opted_in_is_reported_with_the_label_that_is_missing(api_server: Level) -> None:
    with new_namespace(api_server.api, "doctor", **NOT_OPTED_IN) as namespace:
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (PROBLEM, {"not-opted-in": "problem"})
    assert run.sentence("not-opted-in").endswith("its namespaceSelector requires airflow-sidecar-webhook=enabled.")


def test_a_system_namespace_is_reported_with_why_it_cannot_opt_in(api_server: Level) -> None:
    assert "kubernetes.io/metadata.name notin (kube-system" in diagnose(api_server, "kube-system").sentence("not-opted-in")


def test_a_namespace_that_does_not_exist_is_a_problem(api_server: Level) -> None:
    run = diagnose(api_server, "nowhere")

    assert (run.code, run.worst) == (PROBLEM, {"namespace-not-found": "problem"})


def test_labels_of_a_mesh_are_read(api_server: Level) -> None:
    mesh = {"istio-injection": "enabled", "istio.io/dataplane-mode": "ambient"}
    with new_namespace(api_server.api, "doctor", **mesh) as namespace:
        alone = diagnose(api_server, namespace)
        with other_webhook(api_server.api, *ISTIO, only(namespace)):
            injected = diagnose(api_server, namespace)

    assert (alone.code, alone.worst) == (NO_PROBLEM, {"label-without-injector": "warning"})
    assert "ambient-mesh" in alone.findings
    assert injected.worst == {}


def test_the_pod_of_the_dry_run_passes_the_restricted_standard_and_a_quota(api_server: Level) -> None:
    with new_namespace(api_server.api, "doctor", **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        limits = {"limits.cpu": "1", "limits.memory": "1Gi", "requests.cpu": "1", "requests.memory": "1Gi"}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": namespace}, "spec": {"hard": limits}}
        with created(api_server.api, quota) as made:
            # The quota controller's part, which does not run here: without a status no quota is enforced.
            api_server.api.patch(
                f"/api/v1/namespaces/{namespace}/resourcequotas/q/status",
                {"status": {"hard": made["spec"]["hard"], "used": dict.fromkeys(limits, "0")}},
            )
            run = diagnose(api_server, namespace)

    assert "native-dry-run-passed" in run.findings


def test_a_refused_dry_run_is_reported_as_not_tested_with_the_reason(api_server: Level, namespace: str) -> None:
    def deny(call: Call) -> ScriptedReply:
        return allowed(call, allowed=False, status={"message": "no pods on Mondays"})

    with other_webhook(api_server.api, "guard", "pods.guard.example", only(namespace), deny):
        run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (INCOMPLETE, {"native-not-tested": "warning"})
    assert "no pods on Mondays. The API server alone supports native sidecars." in run.sentence("native-not-tested")


def test_nothing_is_left_behind(api_server: Level, namespace: str) -> None:
    diagnose(api_server, namespace)

    for kind in ("pods", "podtemplates"):
        assert api_server.api.get(f"/api/v1/namespaces/{namespace}/{kind}")["items"] == []


def stuck_pod(api: ApiClient, namespace: str, name: str, proxy: JSONObject, ended: str) -> None:
    """A task's pod whose base has ended, beside a proxy in this state. No kubelet is there: the status is written for it."""
    containers = [{"name": "base", "image": "apache/airflow:3.3.2"}, {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.29.0"}]
    pod = task_pod(namespace, name, containers=containers)
    pod["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}", "airflow-sidecar-webhook/mode": "off"}
    api.create(pod)
    over = {"terminated": {"exitCode": 0, "startedAt": ended, "finishedAt": ended}}
    rest = {"ready": False, "restartCount": 0, "image": "", "imageID": ""}
    statuses = [{"name": "base", "state": over, **rest}, {"name": "istio-proxy", "state": proxy, **rest}]
    api.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", {"status": {"phase": "Running", "containerStatuses": statuses}})


def test_stuck_pods_are_named_and_no_others(api_server: Level, namespace: str) -> None:
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    over = {"terminated": {"exitCode": 0, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"}}
    stuck_pod(api_server.api, namespace, "sales", running, "2026-01-01T00:00:00Z")
    stuck_pod(api_server.api, namespace, "done", over, "2026-01-01T00:00:00Z")
    stuck_pod(api_server.api, namespace, "ending", running, "2126-01-01T00:00:00Z")
    run = diagnose(api_server, namespace)

    assert (run.code, run.worst) == (PROBLEM, {"stuck-pod": "problem"})
    assert run.sentence("stuck-pod").startswith("sales is stuck: ")


def test_without_any_right_every_read_is_reported_as_failed_and_nothing_as_ok(api_server: Level, namespace: str) -> None:
    with user_who_may(api_server.server, "nobody") as user:
        run = diagnose(api_server, namespace, user)

    assert run.code == INCOMPLETE
    assert run.worst == {"read-failed": "warning", "native-unknown": "warning", "native-not-tested": "warning"}
    assert 'User "nobody" cannot create resource "pods"' in run.sentence("native-not-tested")


def test_the_rights_that_the_page_names_are_enough(api_server: Level, namespace: str) -> None:
    rules = [
        rule("list", "nodes pods"),
        rule("get", "namespaces"),
        rule("create", "pods podtemplates"),
        rule("list", "mutatingwebhookconfigurations", "admissionregistration.k8s.io"),
    ]
    with user_who_may(api_server.server, "just-enough", *rules) as user:
        run = diagnose(api_server, namespace, user)

    assert (run.code, run.worst) == (NO_PROBLEM, {})
    assert "native-dry-run-passed" in run.findings


def test_without_the_right_to_pod_templates_the_cause_is_reported_as_unknown(old_api_server: Level, old_namespace: str) -> None:
    with user_who_may(old_api_server.server, "half", rule("get list create", "nodes pods namespaces")) as user:
        run = diagnose(old_api_server, old_namespace, user, **FORCED)

    assert run.code == PROBLEM
    assert run.findings["native-dry-run-failed"]["severity"] == "problem"
    assert 'cannot create resource "podtemplates"' in run.sentence("native-dry-run-failed")


def test_credentials_that_the_api_server_does_not_accept_are_reported_in_a_line(api_server: Level, old_api_server: Level) -> None:
    stranger = json.loads(old_api_server.server.kubeconfig.read_text("utf-8"))
    own = json.loads(api_server.server.kubeconfig.read_text("utf-8"))
    own["users"][0]["user"] = stranger["users"][0]["user"]
    path = api_server.place.folder / "stranger.kubeconfig"
    path.write_text(json.dumps(own), "utf-8")
    done = run_doctor(path)

    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert done.stderr.startswith(f"airflow-sidecar-webhook: cannot read from the API server {api_server.server.server}: 401 Unauthorized")
    assert done.stderr.count("\n") == 1


def test_the_namespace_is_that_of_the_context_unless_one_is_named(api_server: Level, namespace: str) -> None:
    kubeconfig = json.loads(api_server.server.kubeconfig.read_text("utf-8"))
    (one,) = kubeconfig["contexts"]
    kubeconfig["contexts"].append({"name": "tasks", "context": {**one["context"], "namespace": namespace}})
    path = api_server.place.folder / "contexts.kubeconfig"
    path.write_text(json.dumps(kubeconfig), "utf-8")
    expected = {
        (): ("cluster", "default"),
        ("--context", "tasks"): ("tasks", namespace),
        ("--context", "tasks", "-n", "nowhere"): ("tasks", "nowhere"),
    }

    reports = {arguments: json.loads(run_doctor(path, *arguments, "-o", "json").stdout) for arguments in expected}
    assert {arguments: (report["context"], report["namespace"]) for arguments, report in reports.items()} == expected
