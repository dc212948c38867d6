"""The chart's values, by Helm alone: which are refused with which message, and what each option changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from manifests.generate import INSTALL, INSTALL_POLICY, POLICY_KUBERNETES, install, install_policy
from manifests.rendering import CHART, RenderingError, helm
from testbed import binaries
from tests.e2e.api_server.chart import OPTIONS, OWN_SECRET, deployments, objects, only, settings_of
from tests.e2e.levels import require
from webhook.policy_files import build_policy
from webhook.settings import PREFIX, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "a misspelt value": ({"replica": 2}, "additional properties 'replica' not allowed"),
    "a misspelt value within another": ({"webhook": {"failClose": True}}, "additional properties 'failClose' not allowed"),
    "a misspelt setting": ({"settings": {"wait_second": 1}}, "additional properties 'wait_second' not allowed"),
    "a setting that the chart decides": ({"settings": {"port": 1}}, "additional properties 'port' not allowed"),
    "a setting of no such value": ({"settings": {"mode": "wrapped"}}, "value must be one of 'auto'"),
    "a setting out of its range": ({"settings": {"wait_seconds": 541}}, "maximum: got 541, want 540"),
    "a misspelt field of a sidecar": (
        {"sidecars": [{"id": "a", "title": "A", "sources": ["b"], "quit_ordr": 1}]},
        "properties 'quit_ordr' not allowed",
    ),
    "a sidecar without sources": ({"sidecars": [{"id": "a", "title": "A"}]}, "missing property 'sources'"),
    "a misspelt field of an image": ({"entrypoints": {"images": [{"image": "a", "shel": True}]}}, "properties 'shel' not allowed"),
    "a name that comes after injectors": ({"fullnameOverride": "webhook"}, "fullnameOverride: the API server calls mutating webhooks in"),
    "a shared name that comes after injectors": ({"nameOverride": "sidecars"}, "nameOverride: the API server calls mutating webhooks in"),
    "a name that is no name": ({"fullnameOverride": "a_b"}, "does not match pattern"),
    "a shared name that is no name": ({"nameOverride": "A"}, "does not match pattern"),
    "a ServiceAccount that exists, without its name": (
        {"serviceAccount": {"create": False}},
        "serviceAccount.name: name the ServiceAccount",
    ),
    "one of the reaper that exists, without its name": (
        {"reaper": {"enabled": True, "namespaces": ["a"], "serviceAccount": {"create": False}}},
        "reaper.serviceAccount.name: name the ServiceAccount",
    ),
    "one ServiceAccount for service and reaper": (
        {"serviceAccount": {"name": "a"}, "reaper": {"enabled": True, "namespaces": ["a"], "serviceAccount": {"name": "a"}}},
        "reaper.serviceAccount.name: the reaper needs another ServiceAccount",
    ),
    "text for a number": ({"replicas": "2"}, "got string, want integer"),
    "no replica": ({"replicas": 0}, "minimum: got 0, want 1"),
    "a port that needs a right": ({"ports": {"webhook": 443}}, "minimum: got 443, want 1,024"),
    "root": ({"podSecurityContext": {"runAsUser": 0}}, "minimum: got 0, want 1"),
    "root in the container": ({"securityContext": {"runAsUser": 0}}, "minimum: got 0, want 1"),
    "two registries": (
        {"image": {"repository": "registry.example/w"}},
        "image.repository: registry.example/w begins with a registry, and image.registry is localhost",
    ),
    "two registries of this machine": ({"image": {"repository": "localhost/w"}}, "image.repository: localhost/w begins with a registry"),
    "a setting as a variable": (
        {"extraEnv": [{"name": "AIRFLOW_SIDECAR_WEBHOOK__MODE", "value": "wrap"}]},
        "extraEnv: AIRFLOW_SIDECAR_WEBHOOK__MODE is a setting of the service; give it as settings.mode",
    ),
    "a budget that stops every drain": (
        {"podDisruptionBudget": {"minAvailable": 2}},
        "podDisruptionBudget.minAvailable: 2 of 2 replicas can never be disrupted",
    ),
    "a budget of all that stops every drain": (
        {"podDisruptionBudget": {"minAvailable": "100%"}},
        "podDisruptionBudget.minAvailable: 100% of 2 replicas can never be disrupted",
    ),
    "a budget that the API server rounds up to all": (
        {"podDisruptionBudget": {"minAvailable": "51%"}},
        "podDisruptionBudget.minAvailable: 51% of 2 replicas can never be disrupted",
    ),
    "a budget that the API server rounds up to the fewest replicas": (
        {"replicas": 9, "autoscaling": {"enabled": True, "minReplicas": 3}, "podDisruptionBudget": {"minAvailable": "67%"}},
        "podDisruptionBudget.minAvailable: 67% of 3 replicas",
    ),
    "a budget of none": ({"podDisruptionBudget": {"maxUnavailable": 0}}, "minimum: got 0, want 1"),
    "a budget of no share": ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, "'0%' does not match pattern"),
    "a budget that stops every drain of the fewest replicas": (
        {"replicas": 9, "autoscaling": {"enabled": True, "minReplicas": 3}, "podDisruptionBudget": {"minAvailable": 3}},
        "podDisruptionBudget.minAvailable: 3 of 3 replicas",
    ),
    "fewer replicas at most than at least": (
        {"autoscaling": {"enabled": True, "maxReplicas": 1}},
        "autoscaling.maxReplicas: must be at least autoscaling.minReplicas, 2",
    ),
    "a constraint without a topology": (
        {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]},
        "missing property 'topologyKey'",
    ),
    "a volume mount without a path": ({"extraVolumeMounts": [{"name": "ca"}]}, "missing property 'mountPath'"),
    "a misspelt credential of a parent chart": ({"global": {"imagePullSecrets": [{"nam": "a"}]}}, "imagePullSecrets"),
    "an unknown source of certificates": ({"certificates": {"source": "certmanager"}}, "value must be one of 'self-managed'"),
    "a policy that denies": ({"policy": {"actions": ["Deny"]}}, "value must be one of 'Warn', 'Audit'"),
    "a short digest": ({"image": {"digest": "sha256:12"}}, "does not match pattern"),
    "own files without a Secret": (
        {"certificates": {"source": "secret"}},
        "certificates.secret",
    ),
    "own files without an authority": (
        {"certificates": {"source": "secret", "secret": {"name": "serving"}}},
        "certificates.secret.caBundle: give the PEM",
    ),
    "a timeout shorter than a slow request": ({"webhook": {"timeoutSeconds": 5}}, "webhook.timeoutSeconds: must be longer"),
    "one port for both": ({"ports": {"webhook": 8080}}, "ports.webhook, ports.health: give two ports"),
    "namespaces by names and by a selector": (
        {"webhook": {"namespaces": ["airflow"], "namespaceSelector": {"matchLabels": {"a": "b"}}}},
        "webhook.namespaces: must be empty with webhook.namespaceSelector",
    ),
    "a selector of no labels, which selects every namespace": (
        {"webhook": {"namespaceSelector": {"matchLabels": {}}}},
        "webhook.namespaceSelector: without matchLabels and matchExpressions it selects every namespace",
    ),
    "a selector of nothing, which selects every namespace": (
        {"webhook": {"namespaceSelector": {"matchLabels": {}, "matchExpressions": []}}},
        "webhook.namespaceSelector: ",
    ),
    "a namespace of the cluster": (
        {"webhook": {"namespaces": ["kube-system"]}},
        "webhook.namespaces: the webhook is never called in kube-system",
    ),
    "a test in a namespace of the cluster": (
        {"test": {"namespace": "kube-system"}},
        "test.namespace: the webhook is never called in kube-system; name a namespace in which it is",
    ),
    "a test where the webhook is not called": (
        {"webhook": {"namespaces": ["airflow"]}, "test": {"namespace": "other"}},
        "test.namespace: the webhook is never called in other",
    ),
    "a test in a namespace that is no name": ({"test": {"namespace": "Airflow"}}, "does not match pattern"),
    "a namespace that is no name": ({"webhook": {"namespaces": ["Airflow"]}}, "does not match pattern"),
    "a reaper by the label of a webhook that goes by names": (
        {"webhook": {"namespaces": ["airflow"]}, "reaper": {"enabled": True, "allNamespaces": True}},
        "reaper.allNamespaces: it goes by the label",
    ),
    "a reaper without names of a webhook that goes by a selector": (
        {"webhook": {"namespaceSelector": {"matchLabels": {"a": "b"}}}, "reaper": {"enabled": True}},
        "reaper.namespaces: name the namespaces",
    ),
    "a reaper of no namespace": ({"reaper": {"enabled": True}}, "reaper.namespaces: name the namespaces"),
    "a reaper of one namespace and of all": (
        {"reaper": {"enabled": True, "namespaces": ["airflow"], "allNamespaces": True}},
        "reaper.namespaces must be empty",
    ),
    "a request slower than the timeout": ({"settings": {"read_seconds": 9.5}}, "webhook.timeoutSeconds: must be longer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_are_wrong_are_refused_with_their_names(case: str) -> None:
    values, message = REFUSED[case]

    with pytest.raises(RenderingError) as refused:
        objects(values)

    assert message in str(refused.value)


@pytest.mark.parametrize("option", ["default", "placement", "extras", "namespaces", "service-monitor-elsewhere", "reaper-acting"])
def test_helm_finds_nothing_wrong_with_the_chart(option: str) -> None:
    require(binaries.HELM)

    said = helm("lint", "--strict", CHART, "--values", "-", given=json.dumps(OPTIONS[option]))

    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[" not in said, "not even a recommendation"


def test_install_yaml_is_current() -> None:
    require(binaries.HELM)

    assert INSTALL.read_text("utf-8") == install(), "run: python -m manifests.generate"
    assert INSTALL_POLICY.read_text("utf-8") == install_policy(), "run: python -m manifests.generate"


@pytest.mark.parametrize(
    ("values", "kubernetes", "is_there"),
    [
        ({}, POLICY_KUBERNETES, True),
        ({}, "1.29.9", False),
        ({"certificates": {"selfManaged": {"caBundleOnly": False}}}, POLICY_KUBERNETES, False),
        (OPTIONS["cert-manager"], POLICY_KUBERNETES, False),
        (OPTIONS["own-secret"], POLICY_KUBERNETES, False),
    ],
)
def test_the_service_is_limited_to_its_ca_bundle_where_it_writes_one(values: Mapping[str, Any], kubernetes: str, is_there: bool) -> None:
    kinds = [one["kind"] for one in objects(values, kubernetes)]

    assert ("ValidatingAdmissionPolicy" in kinds, "ValidatingAdmissionPolicyBinding" in kinds) == (is_there, is_there)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_service_takes_the_settings_of_every_option(option: str) -> None:
    given = settings_of(deployments(objects(OPTIONS[option]))["webhook"])

    read_settings({f"{PREFIX}{name.upper()}": value for name, value in given.items()})


def test_the_service_takes_the_rows_as_they_are_mounted(tmp_path: Path) -> None:
    rendered = objects(OPTIONS["rules"])
    for name, text in only("ConfigMap", rendered)["data"].items():
        (tmp_path / name).write_text(text)

    files = {f"{PREFIX}{name.upper()}_FILE": str(tmp_path / f"{name}.yaml") for name in ("sidecars", "entrypoints")}
    policy = build_policy(read_settings(files))

    assert policy.catalogue.sidecars[0].id == "cache"
    assert policy.entrypoints.images[0].image == "corp/task"
    assert policy.entrypoints.candidates[0] == ("/init", "--")
    assert {settings_of(only("Deployment", rendered))[f"{name}_file"].rpartition("/")[2] for name in ("sidecars", "entrypoints")} == {
        path.name for path in tmp_path.iterdir()
    }


def test_other_rows_are_other_pods() -> None:
    def checksum(title: str) -> str:
        rows = [{"id": "cache", "title": title, "sources": ["here"]}]
        template = only("Deployment", objects({"sidecars": rows}))["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/rules"])

    assert checksum("A") != checksum("B")


def test_large_numbers_fractions_and_lists_reach_the_service_as_they_were_written() -> None:
    given = settings_of(only("Deployment", objects(OPTIONS["settings"])))

    assert given["max_body_bytes"] == "67108864"
    assert given["read_seconds"] == "0.5"
    assert given["injectors"] == "vault,linkerd"


@pytest.mark.parametrize(("written", "read"), [(False, "off"), ("off", "off"), (True, "on"), ("on", "on")])
def test_on_and_off_need_no_quotes(written: object, read: str) -> None:
    rendered = objects({"certificates": OWN_SECRET, "settings": {"native_sidecars": written}})

    assert settings_of(only("Deployment", rendered))["native_sidecars"] == read
    assert ("ClusterRole" in {one["kind"] for one in rendered}) == (read == "on")


def test_fail_closed_refuses_pods_and_makes_the_services_own_faults_count() -> None:
    rendered = objects(OPTIONS["fail-closed"])

    assert only("MutatingWebhookConfiguration", rendered)["webhooks"][0]["failurePolicy"] == "Fail"
    assert settings_of(only("Deployment", rendered))["on_fault"] == "error"


def test_a_service_without_a_cluster_to_read_has_no_rights_no_token_and_no_way_out() -> None:
    rendered = objects(OPTIONS["without-api-access"])

    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"} & {one["kind"] for one in rendered}
    assert only("Deployment", rendered)["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert only("NetworkPolicy", rendered)["spec"]["egress"] == []


@pytest.mark.parametrize("option", ["cert-manager", "cert-manager-issuer", "own-secret"])
def test_where_the_service_makes_no_certificates_it_may_write_nothing(option: str) -> None:
    rendered = objects(OPTIONS[option])
    verbs = {verb for one in rendered if one["kind"] in {"Role", "ClusterRole"} for rule in one["rules"] for verb in rule["verbs"]}

    assert verbs == {"list", "watch"}
    assert "Secret" not in {one["kind"] for one in rendered}


def test_a_certificate_of_cert_manager_is_mounted_from_where_it_is_put() -> None:
    rendered = objects(OPTIONS["cert-manager"])
    leaf = next(one for one in rendered if one["kind"] == "Certificate" and "dnsNames" in one["spec"])
    (volume,) = only("Deployment", rendered)["spec"]["template"]["spec"]["volumes"]
    configuration = only("MutatingWebhookConfiguration", rendered)

    assert volume["secret"]["secretName"] == leaf["spec"]["secretName"]
    assert configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"] == "/".join(
        leaf["metadata"][key] for key in ("namespace", "name")
    )
    assert "airflow-sidecar-webhook.airflow-sidecar-webhook.svc" in leaf["spec"]["dnsNames"]
    assert "caBundle" not in configuration["webhooks"][0]["clientConfig"]


def test_the_health_port_is_open_to_the_kubelet_alone_unless_something_scrapes_it() -> None:
    def ports(option: str | None) -> tuple[list[str], list[str]]:
        rendered = objects(OPTIONS[option] if option else {})
        of_service = [port["name"] for port in only("Service", rendered)["spec"]["ports"]]
        ingress = only("NetworkPolicy", rendered)["spec"]["ingress"]
        return of_service, [port["port"] for rule in ingress for port in rule["ports"]]

    assert ports(None) == (["https"], ["https"])
    assert ports("metrics-for-some") == (["https"], ["https", "health"])
    assert ports("service-monitor") == (["https", "health"], ["https", "health"])


def test_on_the_host_s_network_a_new_pod_waits_for_the_ports_of_the_old_one() -> None:
    spec = only("Deployment", objects(OPTIONS["host-network"]))["spec"]

    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert spec["template"]["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"


def test_an_old_cluster_is_given_no_field_that_it_does_not_know() -> None:
    rendered = objects({"certificates": OWN_SECRET}, kubernetes="1.25.0")

    assert "matchConditions" not in only("MutatingWebhookConfiguration", rendered)["webhooks"][0]
    assert "unhealthyPodEvictionPolicy" not in only("PodDisruptionBudget", rendered)["spec"]
    spread = only("Deployment", rendered)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert not any("matchLabelKeys" in constraint for constraint in spread)
