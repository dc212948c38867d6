"""Task pods that run beside Istio's sidecar, as the API server returns them: what the benchmarks of many pods are about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from demo.simulated_injectors import inject_istio
from tests.support.pods import load

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

STUCK_EVERY: Final = 100
"""One pod in so many has a task that ended while its proxy runs on."""

BEGAN: Final = "2026-01-01T10:00:00Z"
ENDED: Final = "2026-01-01T10:10:00Z"


def istio_pod() -> JSONObject:
    """A pod that Airflow's executor created and Istio injected into."""
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    # The chart's template was rendered without a release.
    made: JSONObject = json.loads(json.dumps(pod).replace("RELEASE-NAME", "prod"))
    made["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = "{}"
    return {"apiVersion": "v1", "kind": "Pod", **made}


def named(pod: JSONObject, namespace: str, number: int) -> JSONObject:
    """The pod with the name and the namespace of its number."""
    return {**pod, "metadata": {**pod["metadata"], "name": f"task-{number}", "namespace": namespace}}


def status_of(pod: JSONObject, number: int) -> JSONObject:
    """The status of the Running pod of this number."""
    return {"phase": "Running", "startTime": BEGAN, "containerStatuses": states_of(pod, is_ended=number % STUCK_EVERY == 0)}


def states_of(pod: JSONObject, *, is_ended: bool, restarts: int = 0) -> list[JSONObject]:
    """The statuses of its containers; ``is_ended``: its task has ended."""
    return [_state_of(one["name"], restarts, is_ended=is_ended and one["name"] == "base") for one in pod["spec"]["containers"]]


def _state_of(name: str, restarts: int, *, is_ended: bool) -> JSONObject:
    ended = {"terminated": {"exitCode": 0, "startedAt": BEGAN, "finishedAt": ENDED, "reason": "Completed"}}
    state = ended if is_ended else {"running": {"startedAt": BEGAN}}
    return {
        "name": name,
        "state": state,
        "image": "i",
        "imageID": "i",
        "ready": not is_ended,
        "restartCount": restarts,
        "containerID": f"containerd://{name}",
    }
