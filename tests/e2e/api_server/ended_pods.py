"""Task pods on an API server without a node: their task has ended and their sidecar runs on, since the test writes so into their status."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from testbed.api import path_of
from tests.e2e.registration import task_pod

if TYPE_CHECKING:
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

TIMES: Final = {"finishedAt": "2026-01-01T10:10:00Z", "startedAt": "2026-01-01T10:00:00Z"}
FAILED: Final[JSONObject] = {"terminated": {"exitCode": 1, **TIMES}}
SUCCEEDED: Final[JSONObject] = {"terminated": {"exitCode": 0, **TIMES}}
RUNNING: Final[JSONObject] = {"running": {"startedAt": "2026-01-01T10:00:00Z"}}

PROXY: Final[JSONObject] = {"name": "istio-proxy", "image": "istio/proxyv2:1.20.0"}
FLUENT_BIT: Final[JSONObject] = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
"""It has no quit request, and exits 0 on SIGTERM."""

ANNOTATIONS: Final = {"sidecar.istio.io/status": "{}", "airflow-sidecar-webhook/status": "{}"}


def ended_pod(
    level: Level,
    namespace: str,
    name: str,
    base: JSONObject,
    sidecar: JSONObject = PROXY,
    *,
    is_airflows: bool = True,
    phase: str = "Running",
    **spec: object,
) -> JSONObject:
    """Create a pod with this state of its ``base``; ``spec``: more fields, or others."""
    pod = task_pod(namespace, name, **spec)
    pod["spec"]["containers"] = [*pod["spec"]["containers"], copy.deepcopy(sidecar)]
    pod["metadata"]["annotations"] = ANNOTATIONS
    if not is_airflows:
        pod["metadata"]["labels"] = {"app": "web"}
    return report(level, level.api.create(pod), phase, base, RUNNING)


def end(level: Level, pod: JSONObject) -> None:
    """Let a pod end as a kubelet does whose deadline has passed."""
    report(level, pod, "Failed", FAILED, FAILED)


def report(level: Level, pod: JSONObject, phase: str, *states: JSONObject) -> JSONObject:
    """Write a pod's status, with the state of each container in their order."""
    statuses = [
        {"name": name, "state": state, "image": "", "imageID": "", "ready": False, "restartCount": 0, "containerID": f"containerd://{name}"}
        for name, state in zip([one["name"] for one in pod["spec"]["containers"]], states, strict=True)
    ]
    status = {"phase": phase, "startTime": "2026-01-01T10:00:00Z", "containerStatuses": statuses}
    return level.api.patch(f"{path_of(pod | KIND)}/status", {"status": status})


KIND: Final = {"apiVersion": "v1", "kind": "Pod"}
"""What an object in a list lacks."""
