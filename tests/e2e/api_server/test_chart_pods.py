"""What an admin changes of the chart's pods and replicas, by Helm alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from manifests.chart_values import groups
from tests.e2e.api_server.chart import EXTRAS, OPTIONS, deployments, objects, objects_of_test, only, pods
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.json_object import JSONObject

REAPER_TOO: Final = {"reaper": {"enabled": True, "namespaces": ["default"]}}
STRICT_POD: Final = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
STRICT_CONTAINER: Final = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def containers(of: list[JSONObject]) -> list[JSONObject]:
    """The containers of all pods."""
    return [container for pod in pods(of).values() for container in pod["spec"]["containers"]]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, f"localhost/airflow-sidecar-webhook:{__version__}"),
        ({"image": {"registry": "r.example/team", "tag": "1"}}, "r.example/team/airflow-sidecar-webhook:1"),
        ({"image": {"registry": "", "repository": "localhost/w", "tag": "1"}}, "localhost/w:1"),
        ({"image": {"registry": "gcr.io", "repository": "example.com/w", "tag": "1"}}, "gcr.io/example.com/w:1"),
        ({"global": {"imageRegistry": "mirror.example"}}, f"mirror.example/airflow-sidecar-webhook:{__version__}"),
        ({"global": {"imageRegistry": "mirror.example"}, "image": {"repository": "quay.io/w", "tag": "1"}}, "mirror.example/quay.io/w:1"),
        ({"global": {"imageRegistry": None, "imagePullSecrets": None}}, f"localhost/airflow-sidecar-webhook:{__version__}"),
        ({"image": {"tag": "1", "digest": f"sha256:{'0' * 64}"}}, f"localhost/airflow-sidecar-webhook@sha256:{'0' * 64}"),
    ],
)
def test_the_image_is_the_one_of_the_registry_of_all_charts_or_of_this_one(values: Mapping[str, Any], image: str) -> None:
    assert {container["image"] for container in containers(objects({**values, **REAPER_TOO}))} == {image}


def test_credentials_of_a_parent_chart_and_of_this_one_reach_every_pod_once() -> None:
    rendered = pods(objects(OPTIONS["global"]))

    assert set(rendered) == {"webhook", "reaper"}
    for pod in rendered.values():
        assert pod["spec"]["imagePullSecrets"] == [{"name": "parent"}, {"name": "registry"}]


EMPTIED: Final = [
    leaf.path
    for values in groups().values()
    for value in values
    for leaf in value.leaves()
    if isinstance(leaf.schema["default"], dict | list)
    and leaf.name not in {"networkPolicy.apiServerPorts", "policy.actions", "reaper.methods"}
]
"""Values that may be empty, in a parent chart's file by null."""


@pytest.mark.parametrize("path", EMPTIED, ids=".".join)
def test_null_empties_a_list_or_a_mapping(path: tuple[str, ...]) -> None:
    nothing: Any = None
    for key in reversed(path):
        nothing = {key: nothing}
    beside: dict[str, dict[str, Any]] = {
        "reaper": {"enabled": True, "allNamespaces": True},
        "test": {"namespace": "airflow"},
        **{name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboard")},
    }
    values = {**beside, **nothing, path[0]: {**beside.get(path[0], {}), **nothing[path[0]]} if nothing[path[0]] else None}

    assert only("Service", objects(values))
    assert only("Pod", objects_of_test(values))


def test_by_default_pods_and_containers_are_as_strict_as_the_standard() -> None:
    rendered = objects(REAPER_TOO)

    assert [pod["spec"]["securityContext"] for pod in pods(rendered).values()] == [STRICT_POD] * 2
    assert [container["securityContext"] for container in containers(rendered)] == [STRICT_CONTAINER] * 2


def test_on_open_shift_user_and_group_are_left_to_the_cluster() -> None:
    (pod,) = pods(objects(OPTIONS["open-shift"])).values()

    assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_large_number_of_a_user_stays_a_whole_number() -> None:
    (pod,) = pods(objects(OPTIONS["open-shift-range"])).values()

    large = 1000650000
    assert [pod["spec"]["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")] == [large, large, large]


@pytest.mark.parametrize("option", ["extras", "extras-of-a-cron-job"])
def test_further_variables_volumes_and_mounts_are_in_every_pod_beside_those_of_the_charts(option: str) -> None:
    rendered = objects(OPTIONS[option])

    for pod in pods(rendered).values():
        (container,) = pod["spec"]["containers"]
        assert [variable for variable in container["env"] if "AIRFLOW" not in variable["name"]] == EXTRAS["extraEnv"]
        assert [volume for volume in pod["spec"]["volumes"] if volume["name"] != "rules"] == EXTRAS["extraVolumes"]
        assert [mount for mount in container["volumeMounts"] if mount["name"] != "rules"] == EXTRAS["extraVolumeMounts"]
        assert ("rules" in {volume["name"] for volume in pod["spec"]["volumes"]}) == (option == "extras")


def test_further_objects_are_part_of_the_release_and_may_name_its_objects() -> None:
    names = {
        one["metadata"]["name"] for one in objects({**OPTIONS["extra-objects"], "fullnameOverride": "b"}) if one["kind"] == "ConfigMap"
    }

    assert names == {"b-more", "b-text"}


def test_the_deployments_carry_their_annotations_and_their_number_of_old_versions() -> None:
    rendered = deployments(objects({**OPTIONS["placement"], "revisionHistoryLimit": 3}))

    assert set(rendered) == {"webhook", "reaper"}
    assert [one["metadata"]["annotations"] for one in rendered.values()] == [{"reloader.stakater.com/auto": "true"}] * 2
    assert {one["spec"]["revisionHistoryLimit"] for one in rendered.values()} == {3}
    assert only("Deployment", objects(OPTIONS["budget-of-shares"]))["spec"]["revisionHistoryLimit"] == 0


def test_a_constraint_on_the_spread_gets_the_labels_of_the_pods_unless_it_has_its_own() -> None:
    for name, deployment in deployments(objects(OPTIONS["placement"])).items():
        rack, node = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]

        assert rack["labelSelector"] == {"matchLabels": {"a": "b"}}
        assert "matchLabelKeys" not in rack
        assert node["labelSelector"] == deployment["spec"]["selector"], name
        assert node["matchLabelKeys"] == ["pod-template-hash"]
        assert node["minDomains"] == 2


def test_by_default_pods_spread_over_nodes_and_zones() -> None:
    for deployment in deployments(objects(REAPER_TOO)).values():
        constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]

        assert [one["topologyKey"] for one in constraints] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        assert {one["whenUnsatisfiable"] for one in constraints} == {"ScheduleAnyway"}


def test_no_constraint_and_no_budget_where_none_is_wanted() -> None:
    rendered = objects(OPTIONS["no-budget"])

    assert "PodDisruptionBudget" not in {one["kind"] for one in rendered}
    assert all("topologySpreadConstraints" not in pod["spec"] for pod in pods(rendered).values())


def test_a_budget_says_one_number_only() -> None:
    def budget(values: Mapping[str, Any]) -> dict[str, Any]:
        spec = only("PodDisruptionBudget", objects(values))["spec"]
        return {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec}

    assert budget({}) == {"maxUnavailable": 1}
    assert budget({"podDisruptionBudget": {"maxUnavailable": "25%"}}) == {"maxUnavailable": "25%"}
    assert budget({"podDisruptionBudget": {"minAvailable": 1}}) == {"minAvailable": 1}
    assert budget(OPTIONS["budget-of-shares"]) == {"minAvailable": "50%"}
    assert budget({"replicas": 3, "podDisruptionBudget": {"minAvailable": "66%"}}) == {"minAvailable": "66%"}


def test_the_autoscaler_is_off_by_default_and_alone_sets_the_replicas_where_it_is_on() -> None:
    assert "HorizontalPodAutoscaler" not in {one["kind"] for one in objects({})}

    rendered = objects(OPTIONS["autoscaling"])
    spec = only("HorizontalPodAutoscaler", rendered)["spec"]
    deployment = only("Deployment", rendered)

    assert "replicas" not in deployment["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 5)
    assert "cpu" in deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"], "without it no use is known"


def test_annotations_of_the_configuration_are_beside_that_of_cert_manager() -> None:
    values = {"webhook": {"annotations": {"admissions.enforcer/disabled": "true", "cert-manager.io/inject-ca-from": "other/other"}}}

    assert "annotations" not in only("MutatingWebhookConfiguration", objects({}))["metadata"]
    assert only("MutatingWebhookConfiguration", objects({**values, **OPTIONS["cert-manager"]}))["metadata"]["annotations"] == {
        "admissions.enforcer/disabled": "true",
        "cert-manager.io/inject-ca-from": "airflow-sidecar-webhook/airflow-sidecar-webhook",
    }
