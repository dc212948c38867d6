"""Pods as the API server returns them while they run: a spec, and a status of the kubelet's."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from webhook.core import STATUS_ANNOTATION

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

BEGAN: Final = datetime(2026, 1, 1, 10, tzinfo=UTC)
"""When the kubelet started the pod."""

ENDED_AT: Final = BEGAN + timedelta(minutes=10)
"""When its task ended."""

RUNNING: Final[JSONObject] = {"running": {"startedAt": "2026-01-01T10:00:01Z"}}
WAITING: Final[JSONObject] = {"waiting": {"reason": "CrashLoopBackOff"}}

ISTIO: Final[JSONObject] = {"name": "istio-proxy", "image": "istio/proxyv2:1.20.0", "args": ["proxy", "sidecar"]}
VAULT: Final[JSONObject] = {"name": "vault-agent", "image": "hashicorp/vault:1.21.0"}
FLUENT_BIT: Final[JSONObject] = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
"""It has no quit request, and exits 0 on SIGTERM."""

CLOUD_SQL: Final[JSONObject] = {"name": "db", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.0"}
"""Without a flag it has no quit request, and exits 143 on SIGTERM."""

GIT_SYNC_ONCE: Final[JSONObject] = {"name": "sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.0", "args": ["--one-time"]}
GCSFUSE: Final[JSONObject] = {
    "name": "gke-gcsfuse-sidecar",
    "image": "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1.8.0-gke.1",
    "volumeMounts": [{"name": "gke-gcsfuse-tmp", "mountPath": "/gcsfuse-tmp"}],
    "securityContext": {"runAsUser": 65534},
}
"""It ends by itself after every other container, and exits 0 on SIGTERM."""

KUMA: Final[JSONObject] = {
    "name": "kuma-sidecar",
    "image": "kumahq/kuma-dp:2.14.0",
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 9902}},
}
"""It ends by itself, too; from 2.14 on it has no quit request."""

XCOM: Final[JSONObject] = {"name": "airflow-xcom-sidecar", "image": "alpine"}
UPLOADER: Final[JSONObject] = {"name": "uploader", "image": "acme/uploader:1"}
"""Nobody knows it."""

INJECTED: Final = {
    "sidecar.istio.io/status": "{}",
    "vault.hashicorp.com/agent-inject-status": "injected",
    "vault.hashicorp.com/agent-enable-quit": "true",
    "gke-gcsfuse/volumes": "true",
    "kuma.io/sidecar-injected": "true",
}
"""What the injectors of these leave on the pod."""


def ended(code: int = 0, at: datetime | None = ENDED_AT) -> JSONObject:
    """The state of a container that has ended; None: the kubelet does not say when."""
    return {"terminated": {"exitCode": code, "finishedAt": at.isoformat() if at else None}}


def live_pod(states: JSONObject, *beside: JSONObject, **spec: Any) -> JSONObject:
    """A pod of the executor with these containers beside `base`, and these states by container; ``spec``: more fields."""
    return copy.deepcopy(
        {
            "metadata": {
                "namespace": "airflow",
                "name": "sales",
                "uid": "uid-1",
                "resourceVersion": "7",
                "labels": {"kubernetes_executor": "True", "dag_id": "sales", "task_id": "load"},
                "annotations": {STATUS_ANNOTATION: "{}", **INJECTED},
            },
            "spec": {"restartPolicy": "Never", "containers": [{"name": "base", "image": "apache/airflow:3.0.6"}, *beside], **spec},
            "status": {
                "phase": "Running",
                "startTime": BEGAN.isoformat(),
                "containerStatuses": [
                    {"name": name, "state": state, "containerID": f"containerd://{name}"} for name, state in states.items()
                ],
            },
        }
    )


def annotated(pod: JSONObject, **annotations: str | None) -> JSONObject:
    """The pod with these annotations of the webhook's; None removes one."""
    for name, value in annotations.items():
        key = f"airflow-sidecar-webhook/{name.replace('_', '-')}"
        if value is None:
            del pod["metadata"]["annotations"][key]
        else:
            pod["metadata"]["annotations"][key] = value
    return pod


def with_debugger(pod: JSONObject, state: JSONObject) -> JSONObject:
    """The pod with an ephemeral container in this state."""
    pod["spec"]["ephemeralContainers"] = [{"name": "debugger-1", "image": "busybox"}]
    pod["status"]["ephemeralContainerStatuses"] = [{"name": "debugger-1", "state": state}]
    return pod
