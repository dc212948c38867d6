"""The chart's objects on a real API server: valid by strict validation, within the Pod Security Standard, installed, upgraded, removed."""

from __future__ import annotations

import json
import runpy
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from manifests.generate import INSTALL
from manifests.rendering import KUBERNETES
from testbed import levels
from testbed.api import ApiError, collection, path_of
from testbed.manifest import OPTED_IN
from testbed.namespace import make_namespace
from testbed.wait import until
from tests.e2e.api_server.chart import OPTIONS, SCRIPT, objects, objects_of_test, only, pod_of, pods
from tests.e2e.api_server.chart_release import NEWEST, chart_release, webhook_namespace
from tests.e2e.api_server.stand_in_definitions import stand_in_definitions
from tests.e2e.namespaces import new_namespace
from tests.e2e.objects import created
from tests.e2e.registration import task_pod
from tests.e2e.rights import is_allowed
from webhook.core.names import MODE_ANNOTATION, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.e2e.api_server.chart_release import Release
    from tests.support.json_object import JSONObject


STRICT: Final = {"dryRun": "All", "fieldValidation": "Strict"}
REAPER: Final = {"reaper": {"enabled": True, "namespaces": ["default"]}}
SECONDS: Final = 60


@pytest.fixture(scope="module")
def api(api_server: Level) -> Iterator[ApiClient]:
    """An admin's client of an API server that knows the kinds of cert-manager and of the Prometheus operator."""
    with stand_in_definitions(api_server.api):
        yield api_server.api


@pytest.fixture
def namespace(api: ApiClient) -> str:
    return webhook_namespace(api)


@pytest.mark.parametrize("kubernetes", [KUBERNETES, NEWEST])
@pytest.mark.parametrize("option", OPTIONS)
def test_the_api_server_takes_every_object_strictly(option: str, kubernetes: str, api: ApiClient, namespace: str) -> None:
    for one in objects({**OPTIONS[option], "fullnameOverride": "a-rendered"}, kubernetes, namespace):
        taken = api.create(one, **STRICT)

        assert taken["metadata"]["name"].startswith("a-rendered")


def test_the_api_server_takes_install_yaml_strictly(api: ApiClient, namespace: str) -> None:
    text = INSTALL.read_text("utf-8").replace("namespace: airflow-sidecar-webhook\n", f"namespace: {namespace}\n")
    for one in yaml.safe_load_all(text):
        one["metadata"]["name"] = f"a-{namespace}-{one['metadata']['name']}"
        one.get("roleRef", {})["name"] = one["metadata"]["name"]

        api.create(one, **STRICT)


@pytest.mark.parametrize("option", ["default", "placement", "open-shift", "global"])
def test_the_api_server_takes_the_objects_of_helm_test_strictly_and_its_pod_keeps_the_standard(
    option: str, api: ApiClient, namespace: str
) -> None:
    values = {**OPTIONS[option], "fullnameOverride": f"a-{namespace}", "test": {"namespace": "default"}}
    for one in objects_of_test(values, namespace):
        api.create(one, **STRICT)


def test_the_task_pod_of_helm_test_keeps_the_restricted_standard(api: ApiClient, namespace: str) -> None:
    pod = runpy.run_path(str(SCRIPT))["POD"]

    api.create({**pod, "metadata": {**pod["metadata"], "namespace": namespace}}, **STRICT)


def test_a_misspelt_field_would_be_refused(api: ApiClient, namespace: str) -> None:
    deployment = only("Deployment", objects({}, namespace=namespace))
    deployment["spec"]["replica"] = 2

    with pytest.raises(ApiError, match=r'unknown field "spec\.replica"'):
        api.create(deployment, **STRICT)


@pytest.mark.parametrize("option", [name for name in OPTIONS if name != "host-network"])
def test_the_pods_keep_the_restricted_standard(option: str, api: ApiClient, namespace: str) -> None:
    for name, pod in pods(objects(OPTIONS[option], namespace=namespace)).items():
        pod["metadata"]["name"] = name
        api.create(pod, **STRICT)


def test_the_restricted_standard_is_enforced_and_refuses_the_host_s_network(api: ApiClient, namespace: str) -> None:
    deployment = only("Deployment", objects(OPTIONS["host-network"], namespace=namespace))

    with pytest.raises(ApiError, match=r'violates PodSecurity "restricted:latest": host namespaces'):
        api.create(pod_of(deployment), **STRICT)


@pytest.fixture
def release(api_server: Level, namespace: str) -> Iterator[Release]:
    with chart_release(api_server, namespace) as one:
        yield one


def test_the_notes_say_what_to_do_next(release: Release) -> None:
    said = release.helm("install")

    for command in (
        f"kubectl --namespace {release.namespace} rollout status deployment {release.name}",
        "kubectl label namespace NAMESPACE airflow-sidecar-webhook=enabled",
        f"kubectl label namespace {release.namespace} pod-security.kubernetes.io/enforce=restricted",
    ):
        assert f"     {command}\n" in said


def test_the_notes_name_the_namespaces_where_the_label_does_not_matter(release: Release) -> None:
    said = release.helm("install", webhook={"namespaces": ["airflow-prod"]})

    assert "\n2. The API server calls it for Airflow's pods in these namespaces: airflow-prod.\n" in said
    assert "kubectl label namespace NAMESPACE" not in said


@pytest.mark.usefixtures("api")
def test_the_notes_of_cert_manager_name_what_an_uninstall_leaves(release: Release) -> None:
    said = release.helm("install", certificates={"source": "cert-manager"}, webhook={"failClosed": True})

    assert f"cert-manager's Secret {release.name}-tls, nor {release.name}-cert-manager-ca,\n" in said
    assert "start unpatched" not in said


@pytest.mark.usefixtures("api")
def test_the_notes_name_no_authority_where_an_issuer_of_the_admins_signs(release: Release) -> None:
    said = release.helm("install", certificates={"source": "cert-manager", "certManager": {"issuerRef": {"name": "corp"}}})

    assert f"cert-manager's Secret {release.name}-tls,\n" in said
    assert "cert-manager-ca" not in said


def test_helm_upgrade_and_rollback_keep_what_the_service_wrote(release: Release) -> None:
    release.helm("install")
    release.until_reconciled()
    before = release.written

    release.helm("upgrade", webhook={"timeoutSeconds": 12}, replicas=3, labels={"changed": "yes"})

    assert release.webhooks[0]["timeoutSeconds"] == 12
    assert release.written == before

    release.helm("rollback", "1")

    assert release.webhooks[0]["timeoutSeconds"] == 10
    assert release.written == before


def test_helm_upgrade_by_force_takes_what_the_service_wrote_and_the_next_reconcile_mends_it(release: Release) -> None:
    release.helm("install")
    release.until_reconciled()
    before = release.written

    release.helm("upgrade", "--force")

    assert "caBundle" not in release.webhooks[0]["clientConfig"]
    assert "data" not in release.level.api.get(release.secret)

    release.reconcile_certificates()

    assert release.written[0] not in {"", before[0]}
    assert release.written[1]


@pytest.mark.parametrize("way", [("apply",), ("apply", "--server-side")], ids=" ".join)
def test_kubectl_apply_keeps_what_the_service_wrote(way: tuple[str, ...], release: Release) -> None:
    release.kubectl(*way, given=release.rendered())
    release.until_reconciled()
    before = release.written

    release.kubectl(*way, given=release.rendered(webhook={"timeoutSeconds": 12}))

    assert release.webhooks[0]["timeoutSeconds"] == 12
    assert release.written == before


def test_uninstall_leaves_nothing_behind(release: Release) -> None:
    release.helm("install", policy={"enabled": True})
    release.until_reconciled()
    # A Secret that the service had to make again is none of Helm's making.
    release.level.api.delete(release.secret)
    release.reconcile_certificates()
    assert release.written

    release.helm("uninstall")

    found = [
        path_of(one) for one in release.rendered(policy={"enabled": True}) if release.level.api.request("GET", path_of(one)).is_success
    ]
    assert found == []
    secrets = release.level.api.get(f"/api/v1/namespaces/{release.namespace}/secrets")["items"]
    assert secrets == []


def test_in_its_own_namespace_a_webhook_that_is_down_keeps_tasks_out_and_lets_its_own_pods_start(api: ApiClient, namespace: str) -> None:
    rendered = objects({"webhook": {"failClosed": True}, "fullnameOverride": "a-down", **REAPER}, namespace=namespace)
    configuration = only("MutatingWebhookConfiguration", rendered)
    selector = configuration["webhooks"][0]["namespaceSelector"]
    # Only here: other tests use the API server as well.
    selector["matchExpressions"].append({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]})
    api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": OPTED_IN}})
    task = task_pod(namespace)
    with created(api, configuration):
        until(lambda: not api.request("POST", collection(task), task, dryRun="All").is_success, "the API server calls it", SECONDS)

        for name, pod in pods(rendered).items():
            pod["metadata"]["name"] = name
            api.create(pod, **STRICT)


def review(api: ApiClient, user: str, verb: str, resource: str, name: str, namespace: str) -> bool:
    """Whether the API server would let a user do it."""
    group = "" if resource in {"nodes", "pods", "secrets", "configmaps"} else "admissionregistration.k8s.io"
    attributes = {"group": group, "resource": resource, "verb": verb, "name": name, "namespace": namespace}
    return is_allowed(api, user, attributes, "system:serviceaccounts", "system:authenticated")


def test_the_service_may_do_what_it_does_and_no_more(release: Release) -> None:
    release.helm("install")
    release.until_reconciled()
    configurations, verbs = "mutatingwebhookconfigurations", ("get", "list", "watch", "create", "update", "patch", "delete")
    places = {
        ("secrets", f"{release.name}-authority", release.namespace): {"get", "update", "create"},
        # The API server does not know the name of what is created before it is there.
        ("secrets", "other", release.namespace): {"create"},
        ("secrets", f"{release.name}-authority", "kube-system"): set(),
        (configurations, release.name, ""): {"get", "list", "patch"},
        (configurations, "istio-sidecar-injector", ""): {"list"},
        ("nodes", "", ""): {"list", "watch"},
        ("pods", "", release.namespace): set(),
        ("configmaps", "", release.namespace): set(),
    }
    user = f"system:serviceaccount:{release.namespace}:{release.name}"

    allowed = {place: {verb for verb in verbs if review(release.level.api, user, verb, place[0], place[1], place[2])} for place in places}

    assert allowed == places


@contextmanager
def policy(api: ApiClient) -> Iterator[None]:
    """The policy in force."""
    parts = [
        one for one in objects({**OPTIONS["policy"], "fullnameOverride": "a-policy"}) if one["kind"].startswith("ValidatingAdmissionPolicy")
    ]
    with ExitStack() as ends:
        for part in parts:
            api.create(part)
            ends.callback(api.delete, path_of(part))
        yield


def warnings_on(api: ApiClient, namespace: str, status: JSONObject | None) -> list[str]:
    """The warnings to the creator of a pod with this status. The registered webhook is not called: it is no task's pod."""
    pod = task_pod(namespace)
    del pod["metadata"]["labels"]
    if status is not None:
        pod["metadata"]["annotations"] = {STATUS_ANNOTATION: json.dumps(status, separators=(",", ":"))}
    return warnings_on_pod(api, pod)


def warnings_on_pod(api: ApiClient, pod: JSONObject) -> list[str]:
    """The warnings to its creator. It is created in any case."""
    response = api.request("POST", collection(pod), pod, dryRun="All")
    assert response.is_success, response.text
    return response.headers.get_list("warning")


LEFT: Final = {"treatment": "left", "reason": "entrypoint-unknown", "main": "base", "sidecars": {"istio-proxy": "keeps-running"}}
SOME_KEEP_RUNNING: Final = {
    "treatment": "wrapped",
    "reason": "some-keep-running",
    "sidecars": {"istio-proxy": "quit", "oauth": "keeps-running"},
}
QUIT: Final = {
    "treatment": "wrapped",
    "reason": "sidecars-quit",
    "sidecars": {"istio-proxy": "quit"},
    "may_keep_running": ["keeps-running"],
}


def test_the_policy_warns_of_a_sidecar_that_will_not_end_and_of_nothing_else(api: ApiClient) -> None:
    with policy(api), new_namespace(api, "policy") as here:
        until(lambda: warnings_on(api, here, LEFT) != [], "the policy is in force", SECONDS)

        assert "this pod may stay Running beside a sidecar that does not end" in warnings_on(api, here, LEFT)[0]
        assert '"oauth":"keeps-running"' in warnings_on(api, here, SOME_KEEP_RUNNING)[0].replace("\\", "")
        assert warnings_on(api, here, QUIT) == []
        assert warnings_on(api, here, None) == []


NOT_SEEN: Final = "this pod may stay Running beside its sidecar: airflow-sidecar-webhook was not called for it"
BESIDE_ISTIO: Final = [{"name": "base", "image": "task"}, {"name": "istio-proxy", "image": "proxyv2"}]
NOT_WARNED_OF: Final[dict[str, JSONObject]] = {
    "no task of Airflow's": {"metadata": {"labels": {"app": "task"}}},
    "without any label": {"metadata": {"labels": {}}},
    "switched off": {"metadata": {"annotations": {MODE_ANNOTATION: "off"}}},
    "long-running": {"spec": {"restartPolicy": "Always"}},
    "no sidecar": {"spec": {"containers": BESIDE_ISTIO[:1]}},
    "a native one": {"spec": {"containers": BESIDE_ISTIO[:1], "initContainers": [{**BESIDE_ISTIO[1], "restartPolicy": "Always"}]}},
}


@pytest.mark.usefixtures("api_server")  # for its skips
def test_the_policy_warns_of_a_task_with_an_injected_sidecar_that_the_webhook_has_not_seen() -> None:
    """On an API server that knows no webhook, as one does whose webhook is not answered."""
    with levels.api_server() as level, policy(level.api), new_namespace(level.api, "policy") as here:
        unseen = task_pod(here, containers=BESIDE_ISTIO)
        until(lambda: warnings_on_pod(level.api, unseen) != [], "the policy is in force", SECONDS)

        assert NOT_SEEN in warnings_on_pod(level.api, unseen)[0]
        for case, parts in NOT_WARNED_OF.items():
            other = {**unseen, **{part: {**unseen[part], **changed} for part, changed in parts.items()}}
            assert warnings_on_pod(level.api, other) == [], case


def test_the_policy_covers_no_namespace_that_did_not_opt_in(api: ApiClient, namespace: str) -> None:
    make_namespace(api, f"{namespace}-other", {})
    with policy(api), new_namespace(api, "policy") as here:
        until(lambda: warnings_on(api, here, LEFT) != [], "the policy is in force", SECONDS)

        assert warnings_on(api, f"{namespace}-other", LEFT) == []
