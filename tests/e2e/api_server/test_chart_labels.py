"""The labels of the chart's objects and pods, by Helm alone: by these, people, selectors and tools of GitOps find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from manifests.generate import INSTALL, INSTALL_POLICY
from manifests.rendering import CHART, KUBERNETES, NAME, RenderingError, helm
from tests.e2e.api_server.chart import OPTIONS, deployments, objects, pods, templates
from tests.e2e.api_server.unique_keys import DuplicateKeyError, documents
from webhook import __version__
from webhook.command.webhook_logs import SELECTOR

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

EVERY_KIND: Final = {
    "labels": {"team": "data", "cost": "airflow"},
    "podLabels": {"team": "pods"},
    "policy": {"enabled": True},
    "dashboard": {"enabled": True, "labels": {"team": "dashboards"}},
    "serviceMonitor": {"enabled": True, "labels": {"team": "monitors"}},
    "prometheusRule": {"enabled": True, "labels": {"team": "rules"}},
}
STANDARD: Final = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/version": __version__,
    "app.kubernetes.io/part-of": NAME,
    "app.kubernetes.io/managed-by": "Helm",
    "helm.sh/chart": f"{NAME}-{__version__}",
}
COMPONENT: Final = "app.kubernetes.io/component"


def labels(one: JSONObject) -> dict[str, str]:
    """The labels of an object or of a template."""
    return dict(one["metadata"]["labels"])


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "extra-objects"])
def test_every_object_and_every_template_has_the_standard_labels(option: str) -> None:
    rendered = objects(OPTIONS[option])

    standard = {**STANDARD, "app.kubernetes.io/name": OPTIONS[option].get("nameOverride", NAME)}

    for one in [*rendered, *templates(rendered)]:
        assert standard.items() <= labels(one).items()
        assert labels(one)[COMPONENT] in {"webhook", "reaper"}


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_what_belongs_to_the_reaper_says_so(kind: str) -> None:
    rendered = objects({**EVERY_KIND, "reaper": {"enabled": True, "kind": kind, "mode": "act", "namespaces": ["default"]}})
    of_reaper = {one["kind"] for one in rendered if labels(one)[COMPONENT] == "reaper"}

    assert {(labels(one)[COMPONENT] == "reaper", "-reaper" in one["metadata"]["name"]) for one in rendered} == {
        (True, True),
        (False, False),
    }
    assert {kind, "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"} <= of_reaper


def test_the_instance_is_the_release() -> None:
    rendered = documents(helm("template", "a-release", CHART, "--kube-version", KUBERNETES))

    assert {labels(one)["app.kubernetes.io/instance"] for one in [*rendered, *templates(rendered)]} == {"a-release"}
    selected = deployments(rendered)["webhook"]["spec"]["selector"]["matchLabels"]
    assert selected["app.kubernetes.io/instance"] == "a-release"


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_labels_are_on_every_object_and_every_pod_and_the_labels_of_one_object_take_precedence(kind: str) -> None:
    rendered = objects({**EVERY_KIND, "reaper": {"enabled": True, "kind": kind, "namespaces": ["default"]}})

    assert {labels(one)["cost"] for one in [*rendered, *templates(rendered)]} == {"airflow"}
    teams = {one["kind"]: labels(one)["team"] for one in rendered}
    assert {team for name, team in teams.items() if name not in {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap"}} == {"data"}
    assert (teams["ServiceMonitor"], teams["PrometheusRule"], teams["ConfigMap"]) == ("monitors", "rules", "dashboards")
    assert {labels(pod)["team"] for pod in pods(rendered).values()} == {"pods"}


@pytest.mark.parametrize(
    ("value", "key"),
    [
        *(("labels", key) for key in [*STANDARD, COMPONENT]),
        *((value, COMPONENT) for value in ("podLabels", "serviceMonitor.labels", "prometheusRule.labels", "dashboard.labels")),
    ],
)
def test_no_value_sets_a_label_of_the_charts(value: str, key: str) -> None:
    first, _, second = value.partition(".")

    with pytest.raises(RenderingError, match=rf"{value}: the chart itself sets the label {key}, .*; remove it there"):
        objects({first: {second: {key: "mine"}} if second else {key: "mine"}})


@pytest.mark.parametrize("option", OPTIONS)
def test_bug_report_finds_every_pod(option: str) -> None:
    key, _, value = SELECTOR.partition("=")

    assert {labels(pod).get(key) for pod in pods(objects(OPTIONS[option])).values()} == {value}


def test_what_kubectl_applies_is_part_of_no_release() -> None:
    applied = [one for file in (INSTALL, INSTALL_POLICY) for one in documents(file.read_text("utf-8"))]
    of_helm = {"app.kubernetes.io/managed-by", "helm.sh/chart"}

    assert [one["metadata"]["name"] for one in [*applied, *templates(applied)] if of_helm & one["metadata"]["labels"].keys()] == []


def test_a_key_that_stands_twice_would_be_seen() -> None:
    with pytest.raises(DuplicateKeyError, match=r"twice in one mapping: \['a'\]"):
        documents("metadata:\n  labels: {a: b, c: d, a: e}\n")
