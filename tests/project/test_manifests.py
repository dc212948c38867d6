"""What is installed fits the service: its settings, its ports, its rules. Helm is not needed: install.yaml is what the chart renders."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml

import certs
from manifests.chart_readme import chart_readme
from manifests.chart_values import groups
from manifests.generate import ICON, INSTALL, INSTALL_POLICY, README, VALUES, VALUES_SCHEMA, chart_yaml
from manifests.rendering import CHART
from manifests.values_file import values_file
from manifests.values_schema import DECIDED_BY_CHART, values_schema
from testbed.manifest import OPTED_IN
from webhook.core.container_end import ContainerEnd
from webhook.core.reasons import Reason, Treatment
from webhook.core.status import Status
from webhook.doctor.registration import OWN_WEBHOOK
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH
from webhook.server.limited_server import SHUTDOWN_SECONDS
from webhook.settings import PREFIX, Settings

if TYPE_CHECKING:
    from manifests.chart_values import ChartValue
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


INJECTORS = (
    "consul-connect-injector",
    "dapr-sidecar-injector",
    "istio-sidecar-injector",
    "linkerd-proxy-injector-webhook-config",
    "vault-agent-injector-cfg",
)
"""Configurations as these products name them in their charts."""

MESHES = ("consul", "istio", "kuma", "linkerd")
"""Rows of the catalogue: meshes whose sidecar would refuse the API server, which is not part of the mesh."""

OBJECTS: list[JSONObject] = list(yaml.safe_load_all(INSTALL.read_text("utf-8")))
CERTIFICATE_RIGHTS = Path(certs.__file__).with_name("rights.yaml")
SCHEMA: JSONObject = json.loads(values_schema())
MAX_SUMMARY_CHARACTERS = 140
CHART_VALUES = [leaf for values in groups().values() for value in values for leaf in value.leaves()]
CHART_YAML: JSONObject = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))


def one(kind: str) -> JSONObject:
    """The only object of a kind."""
    (found,) = (thing for thing in OBJECTS if thing["kind"] == kind)
    return found


def environment() -> dict[str, str]:
    """The environment of the service, as far as it is written in the Deployment."""
    return {variable["name"]: variable["value"] for variable in container()["env"] if "value" in variable}


def container() -> JSONObject:
    """The only container of the Deployment."""
    (only,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(only)


def leaves(tree: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths of all keys of a tree of mappings."""
    if not isinstance(tree, dict):
        return set()
    return {found for key, value in tree.items() for found in ((*path, key), *leaves(value, (*path, key)))}


def described(path: tuple[str, ...]) -> bool:
    """Whether the schema of the values knows a key by its name, or takes any there."""
    schema = SCHEMA
    for key in path:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        # Strings by any key, or an object whose content the API server checks.
        if isinstance(schema.get("additionalProperties"), dict) or "additionalProperties" not in schema:
            return True
        if key not in schema["properties"]:
            return False
        schema = schema["properties"][key]
    return True


def test_the_schema_of_the_values_is_current() -> None:
    assert VALUES_SCHEMA.read_text("utf-8") == values_schema(), "run: python -m manifests.generate"


def test_the_chart_says_what_artifact_hub_shows_and_shows_its_icon() -> None:
    assert (CHART / "Chart.yaml").read_text("utf-8") == chart_yaml(), "run: python -m manifests.generate"
    ET.parse(ICON)  # noqa: S314  a file of the project
    assert CHART_YAML["annotations"]["artifacthub.io/license"] == pyproject()["license"]
    assert CHART_YAML["description"] == pyproject()["description"]
    assert all(isinstance(value, str) for value in CHART_YAML["annotations"].values())


def pyproject() -> JSONObject:
    """The metadata of the Python package."""
    text = (CHART.parents[2] / "pyproject.toml").read_text("utf-8")
    return dict(tomllib.loads(text)["project"])


def test_the_values_file_and_the_readme_of_the_chart_are_current() -> None:
    assert VALUES.read_text("utf-8") == values_file(), "run: python -m manifests.generate"
    assert README.read_text("utf-8") == chart_readme(), "run: python -m manifests.generate"


@pytest.mark.parametrize("value", CHART_VALUES, ids=lambda value: value.name)
def test_every_value_has_a_line_that_says_what_it_is(value: ChartValue) -> None:
    assert value.summary.endswith(".")
    assert len(value.summary) <= MAX_SUMMARY_CHARACTERS
    assert value.details == "" or value.details.endswith(".")


def test_every_value_is_below_a_heading_once() -> None:
    listed = [value.name for values in groups().values() for value in values]

    assert sorted(listed) == sorted(SCHEMA["properties"])


@pytest.mark.parametrize("value", CHART_VALUES, ids=lambda value: value.name)
def test_editors_and_artifact_hub_find_the_description_of_every_value(value: ChartValue) -> None:
    schema = SCHEMA
    for key in value.path:
        schema = schema["properties"][key]

    assert schema["description"].startswith(value.summary)
    assert schema["default"] == value.schema["default"]
    assert "$ref" not in schema or value.name == "entrypoints"


def test_every_value_has_a_default_that_its_schema_knows() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

    assert set(values) == set(SCHEMA["properties"])
    assert all(described(path) for path in leaves(values))


def test_no_object_of_the_values_takes_a_key_that_it_does_not_know() -> None:
    checked_by_api_server = {
        "nodeAffinity",
        "podAffinity",
        "podAntiAffinity",
        "namespaceSelector",
        "podSelector",
        "ipBlock",
        "startup_probe",
        "podSecurityContext",
        "securityContext",
        "labelSelector",
        "valueFrom",
        "extraVolumes",
    }

    def open_objects(schema: Any, name: str) -> list[str]:
        if isinstance(schema, list):
            return [found for one in schema for found in open_objects(one, name)]
        if not isinstance(schema, dict):
            return []
        here = [name] if schema.get("type") == "object" and "additionalProperties" not in schema else []
        return here + [found for key, value in schema.items() for found in open_objects(value, name if key in {"anyOf", "items"} else key)]

    assert set(open_objects(SCHEMA, "values")) == {*checked_by_api_server, "global"}


@pytest.mark.parametrize("name", sorted(DECIDED_BY_CHART))
def test_what_the_chart_decides_is_a_setting(name: str) -> None:
    assert name in Settings.model_fields


def test_the_service_gets_settings_that_exist() -> None:
    assert {name.removeprefix(PREFIX).lower() for name in environment()} <= set(Settings.model_fields)


def test_the_service_reads_its_namespace_from_its_pod() -> None:
    (variable,) = [variable for variable in container()["env"] if "value" not in variable]

    assert variable["name"] == f"{PREFIX}SERVICE_NAMESPACE"
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_the_configuration_sends_reviews_to_the_service_where_it_listens() -> None:
    service, settings = one("Service"), environment()
    (hook,) = one("MutatingWebhookConfiguration")["webhooks"]
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}

    assert hook["name"] == OWN_WEBHOOK
    assert hook["clientConfig"]["service"] == {
        **{key: service["metadata"][key] for key in ("name", "namespace")},
        "path": "/mutate",
        "port": 443,
    }
    assert {port["port"]: port["targetPort"] for port in service["spec"]["ports"]} == {443: "https"}, "nothing scrapes it there"
    assert ports == {"https": int(settings[f"{PREFIX}PORT"]), "health": int(settings[f"{PREFIX}HEALTH_PORT"])}
    assert service["spec"]["selector"].items() <= one("Deployment")["spec"]["template"]["metadata"]["labels"].items()


def test_the_configuration_is_called_before_every_injector() -> None:
    assert all(one("MutatingWebhookConfiguration")["metadata"]["name"] < name for name in INJECTORS)


def test_the_namespaces_of_the_cluster_are_left_alone_and_its_own_is_named_nowhere() -> None:
    (hook,) = one("MutatingWebhookConfiguration")["webhooks"]

    assert hook["namespaceSelector"]["matchLabels"] == {"airflow-sidecar-webhook": "enabled"}
    assert hook["namespaceSelector"]["matchExpressions"] == [
        {
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", "kube-node-lease"],
        }
    ]


def test_the_api_server_waits_longer_than_a_request_may_take_to_arrive() -> None:
    (hook,) = one("MutatingWebhookConfiguration")["webhooks"]

    assert hook["timeoutSeconds"] > Settings().read_seconds


def test_a_pod_is_not_killed_before_it_has_drained() -> None:
    spec = one("Deployment")["spec"]["template"]["spec"]

    assert spec["terminationGracePeriodSeconds"] > int(environment()[f"{PREFIX}DRAIN_SECONDS"]) + SHUTDOWN_SECONDS


def test_a_rolling_update_never_has_fewer_replicas_than_requested() -> None:
    spec = one("Deployment")["spec"]

    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_rights_are_those_of_the_cluster_watcher_and_of_the_certificate_manager() -> None:
    certificates = list(yaml.safe_load_all(CERTIFICATE_RIGHTS.read_text("utf-8")))
    watching = [
        {"apiGroups": [""], "resources": [NODES_PATH.rpartition("/")[2]], "verbs": ["list", "watch"]},
        {"apiGroups": ["admissionregistration.k8s.io"], "resources": [CONFIGURATIONS_PATH.rpartition("/")[2]], "verbs": ["list"]},
    ]

    assert one("Role")["rules"] == certificates[0]["rules"]
    assert one("ClusterRole")["rules"] == watching + certificates[1]["rules"]


def test_the_policy_beside_install_yaml_limits_the_identity_that_install_yaml_makes() -> None:
    policy, binding = yaml.safe_load_all(INSTALL_POLICY.read_text("utf-8"))
    identity = one("ServiceAccount")["metadata"]

    (condition,) = policy["spec"]["matchConditions"]
    (pattern,) = re.findall(r"^request\.userInfo\.username\.matches\('(.+)'\)$", condition["expression"])
    assert re.search(pattern, f"system:serviceaccount:{identity['namespace']}:{identity['name']}")
    assert re.search(pattern, f"system:serviceaccount:moved-elsewhere:{identity['name']}")
    assert not re.search(pattern, f"system:serviceaccount:{identity['namespace']}:other")
    assert not re.search(pattern, f"system:serviceaccount:{identity['namespace']}:{identity['name']}-reaper")
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_the_authority_is_part_of_what_is_installed_and_empty() -> None:
    secret = one("Secret")

    assert secret["metadata"]["name"] == environment()[f"{PREFIX}CA_SECRET"]
    assert "data" not in secret
    assert "stringData" not in secret


def test_the_notes_name_no_label_but_that_of_an_opted_in_namespace() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text("utf-8")
    ((key, value),) = OPTED_IN.items()

    assert set(re.findall(r"label namespace NAMESPACE (\S+)", notes)) == {f"{key}={value}", f"{key}-"}


def test_the_policy_matches_what_the_webhook_writes() -> None:
    searched = re.findall(r"contains\('([^']+)'\)", (CHART / "templates" / "policy.yaml").read_text("utf-8"))
    status = Status(Treatment.LEFT, Reason.NO_QUIT, sidecars={"istio-proxy": ContainerEnd.KEEPS_RUNNING})

    assert len(searched) == 2
    assert all(text in msgspec.json.encode(status).decode() for text in searched)


def test_the_policy_knows_every_sidecar_that_an_injector_adds_under_a_name_of_its_own_and_that_does_not_end_by_itself(
    policy: Policy,
) -> None:
    (listed,) = re.findall(r"container\.name in \[([^]]+)\]", (CHART / "templates" / "policy.yaml").read_text("utf-8"))
    endless = [row for row in policy.catalogue.injected if row.match and not row.ends_by_itself]
    names = {name for row in endless if row.match for name in row.match.names if "*" not in name}

    assert re.findall(r"'([^']+)'", listed) == sorted(names), "run: make docs"


@pytest.mark.parametrize("mesh", MESHES)
def test_the_pods_opt_out_of_the_injection_of_each_mesh_by_what_the_catalogue_knows_of_it(mesh: str, policy: Policy) -> None:
    (off,) = (row.injection_off for row in policy.catalogue.sidecars if row.id == mesh)
    metadata = one("Deployment")["spec"]["template"]["metadata"]

    assert off
    assert off.value == (metadata["labels"][off.label] if off.label else metadata["annotations"][off.annotation])


def test_the_pods_opt_out_of_the_ambient_mesh_of_istio() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]

    # istio/istio:cni/pkg/util/podutil.go PodRedirectionEnabled: the label of the pod takes precedence over that of its namespace.
    assert labels["istio.io/dataplane-mode"] == "none"
