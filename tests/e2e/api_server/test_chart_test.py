"""What `helm test` creates, by Helm alone. On a real node: tests/e2e/installation/test_install.py."""

from __future__ import annotations

import runpy
from typing import Final

import pytest

from tests.e2e.api_server.chart import OPTIONS, SCRIPT, objects, objects_of_test, only

WITH_REGISTRY: Final = {
    "image": {"registry": "registry.example"},
    "imagePullSecrets": [{"name": "registry"}],
    "fullnameOverride": "b",
    "policy": {"enabled": True},
    "test": {"namespace": "airflow"},
}


def test_it_is_part_of_no_installation() -> None:
    assert [one for one in objects({}) if "helm.sh/hook" in one["metadata"].get("annotations", {})] == []


def test_every_object_of_it_is_removed_after_it_and_before_the_next() -> None:
    for one in objects_of_test(WITH_REGISTRY):
        annotations = one["metadata"]["annotations"]

        assert annotations["helm.sh/hook"] == "test"
        assert set(annotations["helm.sh/hook-delete-policy"].split(",")) == {"before-hook-creation", "hook-succeeded"}


@pytest.mark.parametrize("option", ["default", "names", "namespaces", "namespace-selector"])
def test_no_option_makes_it_delete_a_namespace(option: str) -> None:
    rendered = objects_of_test({**OPTIONS[option], "test": {"namespace": "default"}})

    assert {one["kind"] for one in rendered} == {"ServiceAccount", "Role", "RoleBinding", "Pod"}


def test_without_a_namespace_there_is_no_test() -> None:
    assert objects_of_test({}) == []
    assert objects_of_test({"webhook": {"namespaceSelector": {"matchLabels": {"team": "data"}}}}) == []
    assert objects_of_test({"enabled": False, "test": {"namespace": "airflow"}}) == []


def test_what_others_need_is_made_before_them() -> None:
    place = {one["kind"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) for one in objects_of_test(WITH_REGISTRY)}

    assert place["ServiceAccount"] < place["Role"] <= place["RoleBinding"] < place["Pod"]


def test_it_may_only_create_pods_in_the_namespace_that_a_value_names() -> None:
    rendered = objects_of_test(WITH_REGISTRY)
    role, binding = (only(kind, rendered) for kind in ("Role", "RoleBinding"))

    assert {one["metadata"]["namespace"] for one in (role, binding)} == {"airflow"}
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = only("ServiceAccount", rendered)["metadata"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
    assert only("Pod", rendered)["spec"]["serviceAccountName"] == account["name"]


def test_its_objects_have_a_name_that_nothing_but_a_test_of_helm_has() -> None:
    assert {one["metadata"]["name"] for one in objects_of_test(WITH_REGISTRY)} == {"b-helm-test"}


def test_its_pod_runs_the_image_of_the_service_and_its_script_there() -> None:
    pod = only("Pod", objects_of_test(WITH_REGISTRY))
    (container,) = pod["spec"]["containers"]
    (of_service,) = only("Deployment", objects(WITH_REGISTRY))["spec"]["template"]["spec"]["containers"]

    assert container["image"] == of_service["image"]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert container["args"] == [SCRIPT.read_text("utf-8"), "airflow"]
    assert "$(" not in container["args"][0], "the kubelet would replace it"


def test_neither_service_nor_policies_select_its_pod() -> None:
    labels = only("Pod", objects_of_test(WITH_REGISTRY))["metadata"]["labels"]
    rendered = objects(WITH_REGISTRY)
    selectors = [
        only("Service", rendered)["spec"]["selector"],
        only("NetworkPolicy", rendered)["spec"]["podSelector"]["matchLabels"],
        only("PodDisruptionBudget", rendered)["spec"]["selector"]["matchLabels"],
    ]

    assert [selector for selector in selectors if selector.items() <= labels.items()] == []


def test_its_task_pod_says_its_resources_as_a_quota_demands() -> None:
    (container,) = runpy.run_path(str(SCRIPT))["POD"]["spec"]["containers"]

    assert set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}
