"""Which namespaces the chart chooses, by Helm alone: the webhook, the policy, the reaper and `helm test` go by the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import NAME
from testbed.manifest import OPTED_IN
from tests.e2e.api_server.chart import OPTIONS, objects, objects_of_test, only, pods

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

BY_NAME: Final = "kubernetes.io/metadata.name"
NEVER: Final = {"key": BY_NAME, "operator": "NotIn", "values": ["kube-system", "kube-node-lease"]}
OFF: Final = {"key": "off", "operator": "DoesNotExist"}
SELECTOR: Final[dict[str, Any]] = {"matchLabels": {"team": "data"}}


def selectors(of: list[JSONObject]) -> list[JSONObject]:
    """Those of the webhook and of the policy that reports pods."""
    (webhook,) = only("MutatingWebhookConfiguration", of)["webhooks"]
    (binding,) = [one for one in of if one["kind"].endswith("PolicyBinding") and one["metadata"]["name"] == NAME]
    return [webhook["namespaceSelector"], binding["spec"]["matchResources"]["namespaceSelector"]]


@pytest.mark.parametrize(
    ("option", "selector"),
    [
        ("policy", {"matchLabels": OPTED_IN, "matchExpressions": [NEVER]}),
        ("namespaces", {"matchExpressions": [{"key": BY_NAME, "operator": "In", "values": ["airflow-prod", "default"]}, NEVER]}),
        (
            "namespace-selector",
            {
                "matchLabels": {"team": "data"},
                "matchExpressions": [
                    {"key": "stage", "operator": "In", "values": ["prod", "test"]},
                    OFF,
                    NEVER,
                ],
            },
        ),
    ],
)
def test_webhook_and_policy_go_by_the_label_by_names_or_by_a_selector(option: str, selector: JSONObject) -> None:
    assert selectors(objects(OPTIONS[option], POLICY_KUBERNETES)) == [selector, selector]


def test_an_old_api_server_does_not_call_it_in_its_own_namespace() -> None:
    (webhook,) = only("MutatingWebhookConfiguration", objects(OPTIONS["namespaces"], "1.27.0"))["webhooks"]

    assert webhook["namespaceSelector"]["matchExpressions"][-1]["values"] == ["kube-system", "kube-node-lease", NAME]


def test_the_reaper_serves_its_own_names_or_else_those_of_the_webhook() -> None:
    def served(values: dict[str, Any]) -> tuple[list[str], list[str]]:
        rendered = objects(values)
        (container,) = pods(rendered)["reaper"]["spec"]["containers"]
        given = [word.partition("=")[2] for word in container["args"] if word.startswith("--namespace=")]
        roles = [one["metadata"]["namespace"] for one in rendered if one["kind"] == "Role" and one["metadata"]["name"] == f"{NAME}-reaper"]
        return given, roles

    names = {"webhook": {"namespaces": ["airflow-prod", "airflow-test", "airflow-prod"]}}
    assert served({**names, "reaper": {"enabled": True}}) == (["airflow-prod", "airflow-test"], ["airflow-prod", "airflow-test"])
    assert served({**names, "reaper": {"enabled": True, "namespaces": ["other"]}}) == (["other"], ["other"])
    assert served({"reaper": {"enabled": True, "allNamespaces": True}}) == ([], [])


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        ({"webhook": {"namespaces": ["airflow-prod", "other"]}}, "airflow-prod"),
        ({"webhook": {"namespaces": ["airflow-prod", "other"]}, "test": {"namespace": "other"}}, "other"),
        ({"webhook": {"namespaceSelector": SELECTOR}, "test": {"namespace": "airflow"}}, "airflow"),
        ({"webhook": {"namespaceSelector": {"matchExpressions": [OFF]}}, "test": {"namespace": "airflow"}}, "airflow"),
        ({"test": {"namespace": "airflow"}}, "airflow"),
    ],
)
def test_helm_test_creates_its_pod_in_a_namespace_that_a_value_names(values: dict[str, Any], namespace: str) -> None:
    rendered = objects_of_test(values)

    assert {only(kind, rendered)["metadata"]["namespace"] for kind in ("Role", "RoleBinding")} == {namespace}
    assert only("Pod", rendered)["spec"]["containers"][0]["args"][1] == namespace
