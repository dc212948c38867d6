"""The names of the chart's objects, by Helm alone: the API server calls webhooks in the order of these names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import CHART, NAME, RenderingError, helm
from tests.e2e.api_server.chart import OPTIONS, OWN_SECRET, deployments, objects, only, pods, settings_of
from tests.e2e.api_server.unique_keys import documents
from tests.project.test_manifests import INJECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

EVERYTHING: Final = {"policy": {"enabled": True}, "reaper": {"enabled": True, "mode": "act", "allNamespaces": True}, **OPTIONS["rules"]}


def names(of: list[JSONObject]) -> set[str]:
    return {one["metadata"]["name"] for one in of}


def references(of: list[JSONObject]) -> Iterator[tuple[str, str]]:
    """What the objects name, each as kind and name."""
    for one in of:
        if "roleRef" in one:
            yield one["roleRef"]["kind"], one["roleRef"]["name"]
            yield from ((subject["kind"], subject["name"]) for subject in one["subjects"])
        if one["kind"] == "ValidatingAdmissionPolicyBinding":
            yield "ValidatingAdmissionPolicy", one["spec"]["policyName"]
        for webhook in one.get("webhooks", ()):
            yield "Service", webhook["clientConfig"]["service"]["name"]
        for rule in one.get("rules", ()):
            kinds = {"secrets": "Secret", "mutatingwebhookconfigurations": "MutatingWebhookConfiguration"}
            yield from ((kinds[rule["resources"][0]], name) for name in rule.get("resourceNames", ()) if rule["resources"][0] in kinds)
    for pod in pods(of).values():
        yield "ServiceAccount", pod["spec"]["serviceAccountName"]
        yield from (("ConfigMap", volume["configMap"]["name"]) for volume in pod["spec"].get("volumes", ()) if "configMap" in volume)
    settings = settings_of(deployments(of)["webhook"])
    yield "Service", settings["service_name"]
    yield "Secret", settings["ca_secret"]
    yield "MutatingWebhookConfiguration", settings["configuration"]


@pytest.mark.parametrize("release", ["release-name", "data-platform", "z", NAME])
def test_a_release_of_any_name_is_called_before_every_injector(release: str) -> None:
    rendered = documents(helm("template", release, CHART, "--kube-version", POLICY_KUBERNETES))

    assert all(only("MutatingWebhookConfiguration", rendered)["metadata"]["name"] < injector for injector in INJECTORS)
    assert only("Service", rendered)["metadata"]["name"] == NAME


@pytest.mark.parametrize(
    ("values", "name", "label"),
    [
        ({"nameOverride": "airflow-ends"}, "airflow-ends", "airflow-ends"),
        ({"fullnameOverride": "b"}, "b", NAME),
        ({"nameOverride": "sidecars", "fullnameOverride": "a-sidecars"}, "a-sidecars", "sidecars"),
    ],
)
def test_every_object_takes_the_name_and_names_the_others_by_it(values: dict[str, str], name: str, label: str) -> None:
    rendered = objects({**EVERYTHING, **values}, POLICY_KUBERNETES)

    assert {one for one in names(rendered) if one != name and not one.startswith(f"{name}-")} == set()
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in [*rendered, *pods(rendered).values()]} == {label}
    found = {(one["kind"], one["metadata"]["name"]) for one in rendered}
    assert set(references(rendered)) - found == set()


def everywhere(word: str) -> str:
    """What the chart renders with this word as each name that a user chooses freely, and `helm test`, as JSON."""
    values = {
        "serviceAccount": {"name": word},
        "reaper": {"enabled": True, "mode": "act", "serviceAccount": {"create": False, "name": f"{word}.2"}},
        "webhook": {"namespaces": [word]},
        "priorityClassName": word,
        "serviceMonitor": {"enabled": True},
        "certificates": {**OWN_SECRET, "secret": {"name": word, "caBundle": "-----BEGIN CERTIFICATE-----"}},
    }
    where = ("--namespace", word, "--kube-version", POLICY_KUBERNETES, "--values", "-")
    return json.dumps(documents(helm("template", word, CHART, *where, given=json.dumps(values))))


@pytest.mark.parametrize("word", ["123", "0x1f", "on", "null"])
def test_a_name_that_is_a_number_or_a_word_of_yaml_stays_a_text(word: str) -> None:
    assert everywhere(word) == everywhere("any-name").replace("any-name", word)


@pytest.mark.parametrize(
    ("value", "name"), [("fullnameOverride", "webhook"), ("nameOverride", "consul"), ("fullnameOverride", "c-airflow")]
)
def test_a_name_after_an_injector_is_refused_with_the_reason_and_what_is_allowed(value: str, name: str) -> None:
    with pytest.raises(RenderingError) as refused:
        objects({value: name})

    said = str(refused.value)
    assert f"{value}: the API server calls mutating webhooks in the order of the names of their configurations, and {name} comes" in said
    assert "use a name that begins with a or b" in said
