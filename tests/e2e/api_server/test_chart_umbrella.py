"""The chart as a dependency of another, as platform teams put their charts together, by Helm alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import CHART, NAME, RenderingError, helm
from testbed import binaries
from tests.e2e.api_server.chart import only, pods
from tests.e2e.api_server.unique_keys import documents
from tests.e2e.levels import require
from webhook import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject


@dataclass(frozen=True, slots=True)
class Parent:
    """A chart whose only dependency is this one."""

    folder: Path

    def render(self, **values: Any) -> list[JSONObject]:
        """The objects of a release of it. RenderingError."""
        where = ("--namespace", "platform", "--kube-version", POLICY_KUBERNETES, "--values", "-")
        return documents(helm("template", "data-platform", self.folder, *where, given=json.dumps(values)))


def parent(folder: Path, **of_dependency: str) -> Parent:
    """A parent chart, with more of what it says of its dependency."""
    require(binaries.HELM)
    shutil.copytree(CHART, folder / "charts" / NAME)
    dependency = {"name": NAME, "version": __version__, "condition": f"{of_dependency.get('alias', NAME)}.enabled", **of_dependency}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart), "utf-8")
    return Parent(folder)


@pytest.fixture
def umbrella(tmp_path: Path) -> Parent:
    return parent(tmp_path)


def test_a_parent_without_values_installs_what_the_chart_itself_would(umbrella: Parent) -> None:
    rendered = umbrella.render()
    alone = documents(helm("template", "data-platform", CHART, "--namespace", "platform", "--kube-version", POLICY_KUBERNETES))

    def by_name(of: list[JSONObject]) -> dict[tuple[str, str], JSONObject]:
        return {(one["kind"], one["metadata"]["name"]): one for one in of}

    assert by_name(rendered) == by_name(alone)
    assert only("MutatingWebhookConfiguration", rendered)["metadata"]["name"] == NAME
    assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in rendered} == {"data-platform"}


@pytest.mark.parametrize(
    "shared", [{}, {"imageRegistry": "mirror.example"}, {"imagePullSecrets": ["corp"], "domain": "example.com", "airflow": {"a": 1}}]
)
def test_what_a_parent_shares_reaches_the_pods_and_what_is_for_others_does_no_harm(shared: dict[str, Any], umbrella: Parent) -> None:
    (pod,) = pods(umbrella.render(**{"global": shared})).values()

    registry = shared.get("imageRegistry", "localhost")
    assert pod["spec"]["containers"][0]["image"] == f"{registry}/airflow-sidecar-webhook:{__version__}"
    assert pod["spec"].get("imagePullSecrets", []) == [{"name": name} for name in shared.get("imagePullSecrets", [])]


def test_values_of_the_parent_are_those_below_the_charts_name(umbrella: Parent) -> None:
    rendered = umbrella.render(**{NAME: {"replicas": 3, "fullnameOverride": "b-sidecars", "labels": {"team": "data"}}})

    assert only("Deployment", rendered)["spec"]["replicas"] == 3
    assert only("Service", rendered)["metadata"]["name"] == "b-sidecars"


def test_a_misspelt_value_of_the_parent_is_refused(umbrella: Parent) -> None:
    with pytest.raises(RenderingError, match="additional properties 'replica' not allowed"):
        umbrella.render(**{NAME: {"replica": 3}})


@pytest.mark.parametrize(("enabled", "kinds"), [(True, True), (False, False)])
def test_the_condition_of_the_dependency_switches_it_on_and_off(enabled: bool, kinds: bool, umbrella: Parent) -> None:
    assert bool(umbrella.render(**{NAME: {"enabled": enabled}})) == kinds


def test_without_a_condition_the_value_alone_switches_every_object_off(tmp_path: Path) -> None:
    everything = {
        "policy": {"enabled": True},
        "dashboard": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "autoscaling": {"enabled": True},
        "reaper": {"enabled": True, "mode": "act", "allNamespaces": True},
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}],
    }
    switched = parent(tmp_path, condition="no.such.value")

    assert switched.render(**{NAME: {"enabled": True, **everything}})
    assert switched.render(**{NAME: {"enabled": False, **everything}}) == []


def test_an_alias_changes_where_its_values_are_and_no_name_that_matters(tmp_path: Path) -> None:
    rendered = parent(tmp_path, alias="sidecars").render(sidecars={"replicas": 4})

    assert only("Deployment", rendered)["spec"]["replicas"] == 4
    assert only("MutatingWebhookConfiguration", rendered)["metadata"]["name"] == NAME
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in rendered} == {NAME}
