"""Pods with sidecars as their injectors leave them, and what the rules make of them."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from demo.simulated_injectors import inject_istio, inject_istio_with_hold, inject_vault
from tests.support.oracles.pod_validation import validate
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from webhook.core import names
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.version import Version

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

EXECUTOR: Final = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"
WITH_XCOM: Final = "airflow-3.3.2-provider-10.25.0/kpo_xcom.json"

FLUENT_BIT: Final = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
CLOUD_SQL: Final = {"name": "database", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["--quitquitquit", "p:r:i"]}
ALLOYDB: Final = {"name": "database", "image": "gcr.io/alloydb-connectors/alloydb-auth-proxy:1.14.2", "args": ["--quitquitquit", "p/i"]}
GIT_SYNC: Final = {"name": "git-sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"}
KERBEROS: Final = {"name": "worker-kerberos", "image": "apache/airflow:3.3.2", "args": ["kerberos"]}
DAPRD: Final = {
    "name": "daprd",
    "image": "ghcr.io/dapr/daprd:1.18.0",
    "args": ["/daprd", "--dapr-http-port", "3500", "--dapr-public-port", "3501"],
}
GCSFUSE: Final = {
    "name": "gke-gcsfuse-sidecar",
    "image": "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1.15.0",
    "securityContext": {"runAsUser": 65534, "runAsGroup": 65534},
    "volumeMounts": [{"name": "gke-gcsfuse-tmp", "mountPath": "/gcsfuse-tmp"}],
}
GCSFUSE_VOLUMES: Final = ("gke-gcsfuse-tmp",)
COLLECTOR: Final = {
    "name": "otc-container",
    "image": "otel/opentelemetry-collector-contrib:0.132.0",
    "args": ["--config=env:OTEL_CONFIG"],
    "readinessProbe": {"httpGet": {"path": "/", "port": 13133}, "initialDelaySeconds": 30, "periodSeconds": 10, "successThreshold": 3},
}
OPERATOR_MARKS: Final = {"sidecar.opentelemetry.io/injected": "airflow.sidecar"}
DATAPLANE: Final = {
    "name": "consul-dataplane",
    "image": "hashicorp/consul-dataplane:1.9.0",
    "readinessProbe": {"tcpSocket": {"port": 20000}, "initialDelaySeconds": 1},
}
CONSUL_MARKS: Final = {"consul.hashicorp.com/connect-inject": "true", "consul.hashicorp.com/connect-inject-status": "injected"}
DAPR_MARKS: Final = {"dapr.io/sidecar-injected": "true"}
USER_INIT: Final = {"name": "prepare", "image": "busybox"}
LEGACY_ISTIO: Final = (inject_istio, inject_istio_with_hold)


def task_pod(
    *sidecars: JSONObject, inits: tuple[JSONObject, ...] = (), volumes: tuple[str, ...] = (), **marks: dict[str, str]
) -> JSONObject:
    """An executor's pod with these beside its task; ``marks`` are further annotations and labels."""
    pod = load(EXECUTOR)
    pod["spec"]["containers"] += copy.deepcopy(list(sidecars))
    pod["spec"]["initContainers"] = copy.deepcopy(list(inits))
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), *({"name": name, "emptyDir": {}} for name in volumes)]
    for field, entries in marks.items():
        pod["metadata"][field] |= entries
    return pod


def vault_pod(**fields: Any) -> JSONObject:
    """A pod that HashiCorp's injector has been at, with these fields in the agent."""
    pod = inject_vault(task_pod(annotations={"vault.hashicorp.com/agent-inject": "true"}))
    container(pod, "vault-agent").update(fields)
    return pod


def istio_pod(inject: Injector = inject_istio, inits: tuple[JSONObject, ...] = (), **fields: Any) -> JSONObject:
    """A pod that Istio has been at, with these fields in its proxy."""
    pod = inject(task_pod(inits=inits))
    container(pod, "istio-proxy").update(copy.deepcopy(fields))
    return pod


def annotated(pod: JSONObject, annotations: dict[str, str]) -> JSONObject:
    """The pod with these annotations."""
    pod["metadata"]["annotations"] |= annotations
    return pod


def on_server(minor: int) -> Cluster:
    """A cluster with native sidecars and this server."""
    return Cluster(NativeSupport.READY, Version(1, minor), frozenset(), frozenset())


def inits_of(pod: JSONObject) -> list[str]:
    """Names of the init containers."""
    return [one["name"] for one in pod["spec"].get("initContainers") or ()]


def regular_of(pod: JSONObject) -> list[str]:
    """Names of the regular containers."""
    return [one["name"] for one in pod["spec"]["containers"]]


def native(pod: JSONObject, name: str) -> JSONObject:
    """A native sidecar by its name."""
    found: JSONObject = next(one for one in pod["spec"]["initContainers"] if one["name"] == name)
    assert found["restartPolicy"] == "Always"
    return found


def status_of(pod: JSONObject) -> JSONObject:
    """The status document."""
    status: JSONObject = json.loads(pod["metadata"]["annotations"][names.STATUS_ANNOTATION])
    return status


def after_conversion(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> JSONObject:
    """The pod as it ends on this cluster: valid there, and the same after a second pass."""
    after = admitted(pod, policy, cluster)[1]
    server = cluster.server or Version(1, 34)

    assert validate(after, server.minor) == []
    assert admitted(after, policy, cluster)[0].operations == ()
    return after


def not_converted(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> dict[str, str]:
    """Which known sidecars stay regular containers, and why."""
    reasons: dict[str, str] = status_of(after_conversion(pod, policy, cluster)).get("not_converted", {})
    return reasons


def run(*command: str) -> JSONObject:
    """A handler that runs a command."""
    return {"exec": {"command": list(command)}}


LINKERD_SWITCHES: Final = (
    "config.linkerd.io/proxy-enable-native-sidecar",
    "config.beta.linkerd.io/proxy-enable-native-sidecar",
    "config.alpha.linkerd.io/proxy-enable-native-sidecar",
)


LINKERD_MARK: Final = {"linkerd.io/inject": "enabled"}
