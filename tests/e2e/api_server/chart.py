"""The chart as tests render it: every option, and the objects that come of it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Final

from manifests.rendering import CHART, KUBERNETES, NAME, helm, render
from testbed import binaries
from tests.e2e.api_server.unique_keys import documents
from tests.e2e.levels import require
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.json_object import JSONObject


OWN_SECRET: Final = {"source": "secret", "secret": {"name": "serving", "caBundle": "-----BEGIN CERTIFICATE-----\n"}}
SIDECAR: Final = {
    "id": "cache",
    "title": "Cache",
    "match": {"names": ["cache"]},
    "quit": {"port": 9091, "path": "/quit"},
    "sources": ["here"],
}
ZONE: Final = {"key": "zone", "operator": "In", "values": ["a"]}

SCRIPT: Final = CHART / "files" / "helm_test.py"
"""What the pod of helm test runs."""

EXTRAS: Final = {
    "extraEnv": [{"name": "TZ", "value": "UTC"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "corp-ca", "optional": True}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/corp", "readOnly": True}],
}

OPTIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "default": {},
    "names": {"nameOverride": "airflow-sidecars", "fullnameOverride": "b-airflow-sidecars"},
    "service-account": {
        "serviceAccount": {"name": "a-rendered-mine", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/none"}},
        "reaper": {
            "enabled": True,
            "mode": "act",
            "namespaces": ["default"],
            "serviceAccount": {"name": "a-rendered-too", "annotations": {"a": "b"}},
        },
    },
    "service-account-of-others": {
        "serviceAccount": {"create": False, "name": "theirs"},
        "reaper": {"enabled": True, "mode": "act", "allNamespaces": True, "serviceAccount": {"create": False, "name": "theirs-too"}},
    },
    "fail-closed": {"webhook": {"failClosed": True, "timeoutSeconds": 6}},
    "cert-manager": {"certificates": {"source": "cert-manager"}},
    "cert-manager-issuer": {
        "certificates": {"source": "cert-manager", "certManager": {"issuerRef": {"name": "corp", "kind": "ClusterIssuer"}}}
    },
    "own-secret": {"certificates": OWN_SECRET},
    "without-api-access": {"certificates": OWN_SECRET, "settings": {"native_sidecars": "off"}},
    "host-network": {"hostNetwork": True, "ports": {"webhook": 10260, "health": 10261}},
    "other-port": {"ports": {"webhook": 10250}},
    "rules": {
        "sidecars": [SIDECAR],
        "entrypoints": {"images": [{"image": "corp/task", "entrypoint": ["/run.sh"], "shell": True}], "candidates": [["/init", "--"]]},
    },
    "settings": {
        "settings": {
            "enforcement": "audit",
            "mode": "wrap",
            "max_body_bytes": 67108864,
            "max_buffered_bytes": 67108864,
            "read_seconds": 0.5,
            "injectors": ["vault", "linkerd"],
        }
    },
    "open-shift": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}},
    "open-shift-range": {"podSecurityContext": {"runAsUser": 1000650000, "runAsGroup": 1000650000, "fsGroup": 1000650000}},
    "image": {
        "image": {"registry": "registry.example", "repository": "w", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "global": {
        "global": {"imageRegistry": "mirror.example/hub/", "imagePullSecrets": ["parent", {"name": "registry"}], "storageClass": "fast"},
        "imagePullSecrets": [{"name": "registry"}],
        "reaper": {"enabled": True, "kind": "CronJob", "namespaces": ["default"]},
    },
    "autoscaling": {"autoscaling": {"enabled": True, "minReplicas": 3}, "podDisruptionBudget": {"minAvailable": 2}},
    "budget-of-shares": {"podDisruptionBudget": {"minAvailable": "50%"}, "revisionHistoryLimit": 0},
    "no-budget": {
        "podDisruptionBudget": {"enabled": False},
        "topologySpreadConstraints": [],
        "reaper": {"enabled": True, "namespaces": ["default"]},
    },
    "extras": {
        "sidecars": [SIDECAR],
        **EXTRAS,
        "webhook": {"annotations": {"admissions.enforcer/disabled": "true"}},
        "reaper": {"enabled": True, "namespaces": ["default"]},
    },
    "extra-objects": {
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": '{{ include "webhook.fullname" . }}-more', "namespace": "{{ .Release.Namespace }}"},
            },
            'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "webhook.fullname" . }}-text\n  namespace: {{ .Release.Namespace }}\n',
        ]
    },
    "extras-of-a-cron-job": {**EXTRAS, "reaper": {"enabled": True, "kind": "CronJob", "namespaces": ["default"]}},
    "placement": {
        "replicas": 3,
        "drainSeconds": 60,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [ZONE]}]}}
        },
        "topologySpreadConstraints": [
            {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}},
            {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},
        ],
        "resources": {"limits": {"memory": "512Mi", "cpu": 2}},
        "labels": {"team": "data"},
        "podLabels": {"team": "data"},
        "podAnnotations": {"note": "here"},
        "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
        "reaper": {"enabled": True, "namespaces": ["default"]},
    },
    "metrics-for-some": {"networkPolicy": {"healthFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]}},
    "no-network-policy": {"networkPolicy": {"enabled": False}},
    "service-monitor": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "service-monitor-elsewhere": {
        "serviceMonitor": {
            "enabled": True,
            "namespace": "default",
            "interval": "1m",
            "scrapeTimeout": "20s",
            "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "python_.*", "action": "drop"}],
        },
        "reaper": {"enabled": True, "namespaces": ["default"]},
    },
    "alerts": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "runbook": "https://wiki.example.com/alerts"}},
    "dashboard": {"dashboard": {"enabled": True, "labels": {"grafana_dashboard": "1", "team": "data"}}},
    "policy": {"policy": {"enabled": True}},
    "namespaces": {
        "webhook": {"namespaces": ["airflow-prod", "default"]},
        "policy": {"enabled": True},
        "reaper": {"enabled": True, "namespaces": ["default"]},
    },
    "namespace-selector": {
        "webhook": {
            "namespaceSelector": {
                "matchLabels": {"team": "data"},
                "matchExpressions": [
                    {"key": "stage", "operator": "In", "values": ["prod", "test"]},
                    {"key": "off", "operator": "DoesNotExist"},
                ],
            }
        },
        "policy": {"enabled": True},
    },
    "reaper-observing": {"reaper": {"enabled": True, "kind": "CronJob", "namespaces": ["default"]}},
    "reaper-watching": {
        "sidecars": [SIDECAR],
        "networkPolicy": {"healthFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
        "reaper": {"enabled": True, "kind": "Deployment", "mode": "act", "namespaces": ["default"], "replicas": 3},
    },
    "reaper-watching-only": {
        "settings": {"host": "::", "log_level": "warning"},
        "serviceMonitor": {"enabled": True},
        "reaper": {"enabled": True, "kind": "Deployment", "namespaces": ["default"]},
    },
    "reaper-everywhere": {"reaper": {"enabled": True, "kind": "Deployment", "mode": "act", "allNamespaces": True}},
    "reaper-acting": {
        "sidecars": [SIDECAR],
        "reaper": {
            "enabled": True,
            "kind": "CronJob",
            "mode": "act",
            "namespaces": ["default", "kube-public"],
            "schedule": "@hourly",
            "methods": ["quit", "exec", "deadline"],
            "graceSeconds": 60,
            "unmarked": True,
            "endSuccessful": True,
            "resources": {"limits": {"memory": "512Mi"}},
        },
    },
}
"""Values for every option of the chart."""


def objects(values: Mapping[str, object], kubernetes: str = KUBERNETES, namespace: str = NAME) -> list[JSONObject]:
    """The objects that the chart renders, none of them with a key twice. RenderingError, DuplicateKeyError."""
    require(binaries.HELM)
    return documents(_rendered(json.dumps(values), kubernetes, namespace))


@cache
def _rendered(values: str, kubernetes: str, namespace: str) -> str:
    return render(json.loads(values), kubernetes, namespace)


def objects_of_test(values: Mapping[str, object], namespace: str = NAME) -> list[JSONObject]:
    """What ``helm test`` creates: the hooks among all objects. RenderingError, DuplicateKeyError."""
    require(binaries.HELM)
    where = ("--namespace", namespace, "--kube-version", KUBERNETES, "--values", "-")
    rendered = documents(helm("template", NAME, CHART, *where, given=json.dumps(values)))
    return [one for one in rendered if "helm.sh/hook" in one["metadata"].get("annotations", {})]


def only(kind: str, of: list[JSONObject]) -> JSONObject:
    """The only object of a kind."""
    (found,) = (one for one in of if one["kind"] == kind)
    return found


def templates(of: list[JSONObject]) -> list[JSONObject]:
    """What makes objects that the chart does not render itself: the templates of Deployments and CronJobs, for pods and for Jobs."""
    found = [one["spec"]["template"] for one in of if one["kind"] == "Deployment"]
    jobs = [one["spec"]["jobTemplate"] for one in of if one["kind"] == "CronJob"]
    return [*found, *jobs, *(job["spec"]["template"] for job in jobs)]


def deployments(of: list[JSONObject]) -> dict[str, JSONObject]:
    """The Deployments, by the name of their container: the service's is `webhook`."""
    found = [one for one in of if one["kind"] == "Deployment"]
    return {one["spec"]["template"]["spec"]["containers"][0]["name"]: one for one in found}


def pod_of(workload: JSONObject) -> JSONObject:
    """A pod as the Deployment or the CronJob creates it."""
    spec = workload["spec"]
    template = spec["jobTemplate"]["spec"]["template"] if workload["kind"] == "CronJob" else spec["template"]
    metadata = {**template["metadata"], "name": "replica", "namespace": workload["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def pods(of: list[JSONObject]) -> dict[str, JSONObject]:
    """A pod of each Deployment and CronJob, by the name of its container."""
    found = [pod_of(one) for one in of if one["kind"] in {"Deployment", "CronJob"}]
    return {pod["spec"]["containers"][0]["name"]: pod for pod in found}


def settings_of(deployment: JSONObject) -> dict[str, str]:
    """The settings that the Deployment gives the service, by their names in lower case."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    own = [one for one in container["env"] if one["name"].startswith(PREFIX)]
    return {one["name"].removeprefix(PREFIX).lower(): one["value"] if "value" in one else _field(one, deployment) for one in own}


def _field(variable: JSONObject, deployment: JSONObject) -> str:
    """The field of the pod that a variable is taken from, of those that the chart uses."""
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    return str(deployment["metadata"]["namespace"])
