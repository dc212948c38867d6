"""What Argo CD's engine sees and does: no drift while the service renews its certificates, nothing taken back, and what pruning leaves.

`gitops_engines` says what is real, and what is not part of it.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from certs.bundle import read_bundle
from manifests.rendering import NAME
from testbed.api import path_of
from tests.e2e.api_server.chart import EXTRAS, SIDECAR, deployments, only
from tests.e2e.api_server.chart_release import chart_release, webhook_namespace
from tests.e2e.api_server.gitops_engines import WAYS, ArgoLikeApplication, DifferenceError
from tests.e2e.objects import created

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from testbed.levels import Level
    from tests.e2e.api_server.chart_release import Release
    from tests.support.json_object import JSONObject

MOST_STEPS: Final = 30
CLIENT_SIDE: Final = WAYS["client-side"]
SERVER_SIDE: Final = WAYS["server-side"]
MOST_OF_THE_CHART: Final[dict[str, dict[str, Any]]] = {
    "self-managed": {
        "labels": {"team": "data"},
        "sidecars": [SIDECAR],
        "policy": {"enabled": True},
        "dashboard": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "autoscaling": {"enabled": True},
        "resources": {"limits": {"memory": "0.5Gi", "cpu": 2}},
        "reaper": {"enabled": True, "mode": "act", "allNamespaces": True, "methods": ["quit", "exec", "deadline"]},
        **EXTRAS,
    },
    "cert-manager": {
        "certificates": {"source": "cert-manager"},
        "webhook": {"namespaces": ["default"], "annotations": {"admissions.enforcer/disabled": "true"}},
        "serviceMonitor": {
            "enabled": True,
            "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "python_.*", "action": "drop"}],
        },
        "reaper": {"enabled": True, "kind": "CronJob"},
    },
}


pytestmark = pytest.mark.usefixtures("stand_in_kinds")


def rotate(release: Release) -> Iterator[None]:
    """The steps of a rotation, from an authority in use to its successor alone: a turn for each change of what the service wrote."""
    first, before = trusted(release), release.written
    release.reconcile_certificates(timedelta(days=250))
    for _ in range(MOST_STEPS):
        if release.written != before:
            yield
        before = release.written
        if len(trusted(release)) == 1 and trusted(release) != first:
            return
        release.reconcile_certificates(timedelta(days=2))
    pytest.fail(f"the rotation is not over after {MOST_STEPS} steps")


def trusted(release: Release) -> tuple[x509.Certificate, ...]:
    """The authorities in the caBundle."""
    return read_bundle(base64.b64decode(release.written[1]))


@pytest.mark.parametrize("way", WAYS)
def test_a_rotation_is_no_drift_and_the_next_sync_takes_nothing_back(way: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way])
    application.sync()
    application.assert_synced()

    release.until_reconciled()
    for _ in rotate(release):
        application.assert_synced()

    written = release.written
    application.sync(webhook={"timeoutSeconds": 12}, labels={"changed": "yes"})

    assert release.webhooks[0]["timeoutSeconds"] == 12
    assert release.written == written
    application.assert_synced(webhook={"timeoutSeconds": 12}, labels={"changed": "yes"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("values", MOST_OF_THE_CHART)
def test_no_default_that_the_api_server_adds_is_drift(values: str, way: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way])
    application.sync(**MOST_OF_THE_CHART[values])

    application.assert_synced(**MOST_OF_THE_CHART[values])


@pytest.mark.parametrize("way", WAYS)
def test_a_change_of_a_field_of_the_charts_would_be_drift(way: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way])
    application.sync()
    (webhook,) = release.webhooks
    release.level.api.patch(release.configuration, {"webhooks": [{**webhook, "failurePolicy": "Fail"}]})

    with pytest.raises(DifferenceError, match="failurePolicy"):
        application.assert_synced()


@pytest.mark.parametrize("way", ["client-side", "server-side"])
def test_a_secret_that_the_service_had_to_make_again_is_adopted_by_the_next_sync(way: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way])
    application.sync()
    release.until_reconciled()
    release.level.api.delete(release.secret)
    release.reconcile_certificates()
    written = release.written

    differing = {one: state for one, state in application.compare().items() if state != "Synced"}
    assert differing == {f"Secret/{release.name}-authority": "OutOfSync"}
    application.sync()

    application.assert_synced()
    assert release.written == written


def test_replace_takes_back_what_the_service_wrote(release: Release) -> None:
    application = ArgoLikeApplication(release, SERVER_SIDE)
    application.sync()
    release.until_reconciled()

    application.sync("--replace", webhook={"timeoutSeconds": 12})

    assert "caBundle" not in release.webhooks[0]["clientConfig"]
    assert "data" not in release.level.api.get(release.secret)


@pytest.mark.parametrize("tracking", ["annotation", "label"])
@pytest.mark.parametrize("way", ["client-side", "server-side"])
def test_pruning_deletes_every_object_of_the_chart_and_no_other(way: str, tracking: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way], tracking, f"sidecars-{release.name}")
    values: dict[str, Any] = {"policy": {"enabled": True}, "reaper": {"enabled": True, "allNamespaces": True}}
    application.sync(**values)
    release.until_reconciled()
    lease = {"name": f"{release.name}-reaper", "namespace": release.namespace}
    neighbour = {"name": "neighbour", "namespace": release.namespace}
    with (
        created(release.level.api, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease}),
        created(release.level.api, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": neighbour}),
    ):
        application.remove_all()

        assert [path_of(one) for one in application.rendered(**values) if exists(release, one)] == []
        assert release.level.api.get(f"/api/v1/namespaces/{release.namespace}/secrets")["items"] == []
        assert exists(release, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": neighbour})
        assert exists(release, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease})


def exists(release: Release, one: JSONObject) -> bool:
    """Whether the object is there."""
    return release.level.api.request("GET", path_of(one)).is_success


def test_what_is_switched_off_is_extra_until_it_is_pruned(release: Release) -> None:
    application = ArgoLikeApplication(release, CLIENT_SIDE)
    with_reaper = {"reaper": {"enabled": True, "namespaces": ["default"]}}
    application.sync(**with_reaper)
    extra = {one for one, state in application.compare().items() if state == "Extra"}
    assert {one.partition("/")[0] for one in extra} >= {"Deployment", "Role", "RoleBinding", "ServiceAccount"}
    application.sync("--prune")
    application.assert_synced()
    assert extra.isdisjoint(application.compare())


def selected_by(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a label selector selects what has these labels."""
    return selector.items() <= labels.items()


@pytest.mark.parametrize("way", ["client-side", "server-side"])
def test_tracking_by_label_renames_the_instance_of_objects_and_breaks_no_selector(way: str, release: Release) -> None:
    name_of_application = f"another-{release.name}"
    application = ArgoLikeApplication(release, WAYS[way], "label", name_of_application)
    values: dict[str, Any] = {"serviceMonitor": {"enabled": True}, "reaper": {"enabled": True, "allNamespaces": True}}
    application.sync(**values)
    live = [release.level.api.get(path_of(one)) for one in application.rendered(**values)]
    pods = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in deployments(live).items()}

    assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in live} == {name_of_application}
    assert {labels["app.kubernetes.io/instance"] for labels in pods.values()} == {release.name}
    for name, deployment in deployments(live).items():
        assert selected_by(deployment["spec"]["selector"]["matchLabels"], pods[name])
    service = only("Service", live)
    assert selected_by(service["spec"]["selector"], pods["webhook"])
    assert selected_by(only("ServiceMonitor", live)["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    assert selected_by(only("PodMonitor", live)["spec"]["selector"]["matchLabels"], pods["reaper"])
    for kind, field in (("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
        chosen = [one["spec"][field]["matchLabels"] for one in live if one["kind"] == kind]
        assert [[name for name, labels in pods.items() if selected_by(selector, labels)] for selector in chosen] == [
            ["webhook"],
            ["reaper"],
        ]
    application.assert_synced(**values)


def test_the_objects_of_helm_test_are_neither_applied_nor_missed(release: Release) -> None:
    application = ArgoLikeApplication(release, CLIENT_SIDE)
    values = {"test": {"namespace": "default"}}
    of_test = [one for one in application.rendered(**values) if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    applied = application.sync(**values)

    assert of_test
    assert {f"{one['kind']}/{one['metadata']['name']}" for one in of_test}.isdisjoint(applied)
    application.assert_synced(**values)


def test_with_a_later_wave_the_configuration_waits_for_the_deployment(release: Release) -> None:
    application = ArgoLikeApplication(release, SERVER_SIDE)
    applied = application.sync("--seconds=4", webhook={"failClosed": True, "annotations": {"argocd.argoproj.io/sync-wave": "1"}})

    assert f"Deployment/{release.name}" in applied
    assert f"MutatingWebhookConfiguration/{release.name}" not in applied


def test_two_applications_with_names_of_their_own_do_not_touch_each_other(release: Release, api_server: Level) -> None:
    with chart_release(api_server, webhook_namespace(api_server.api)) as other:
        applications = [ArgoLikeApplication(release, CLIENT_SIDE), ArgoLikeApplication(other, CLIENT_SIDE)]
        for application in applications:
            application.sync()

        for application in applications:
            application.assert_synced()
        applications[1].remove_all()
        applications[0].assert_synced()


def test_a_second_application_with_the_same_names_takes_the_objects_of_the_cluster(release: Release, api_server: Level) -> None:
    with chart_release(api_server, webhook_namespace(api_server.api)) as other:
        first, second = ArgoLikeApplication(release, CLIENT_SIDE), ArgoLikeApplication(other, CLIENT_SIDE)
        first.sync()
        second.sync(fullnameOverride=release.name)

        assert first.compare()[f"MutatingWebhookConfiguration/{release.name}"] == "OutOfSync"
        assert first.compare()[f"Deployment/{release.name}"] == "Synced"
        second.remove_all()


@pytest.mark.parametrize("way", ["client-side", "server-side"])
def test_what_an_autoscaler_sets_is_no_drift(way: str, release: Release) -> None:
    application = ArgoLikeApplication(release, WAYS[way])
    values = {"autoscaling": {"enabled": True}}
    application.sync(**values)
    deployment = path_of(only("Deployment", application.rendered(**values)))
    release.level.api.patch(f"{deployment}/scale", {"spec": {"replicas": 4}})

    application.assert_synced(**values)
    application.sync(**values)
    assert release.level.api.get(deployment)["spec"]["replicas"] == 4


def test_its_names_sort_before_the_injectors_however_the_application_is_called(release: Release) -> None:
    application = ArgoLikeApplication(release, CLIENT_SIDE, name="zz-sidecars")

    assert only("MutatingWebhookConfiguration", application.rendered(fullnameOverride=""))["metadata"]["name"] == NAME
