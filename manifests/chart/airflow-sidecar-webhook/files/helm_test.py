"""What ``helm test`` runs in the webhook's image: it creates a task pod as a dry run, until the pod comes back with a status."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

from webhook.core import MODE_ANNOTATION, STATUS_ANNOTATION, Mode
from webhook.kube.client import connect_in_pod
from webhook.kube.errors import ClusterError

SECONDS: Final = 60
"""The service is ready before every API server knows its address, its certificate and the rights of this test."""

RESOURCES: Final = {"cpu": "10m", "memory": "16Mi"}

POD: Final = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "generateName": "helm-test-",
        "labels": {"kubernetes_executor": "True"},
        # Whatever the setting mode is.
        "annotations": {MODE_ANNOTATION: Mode.AUTO},
    },
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "base",
                "image": "task",
                "command": ["true"],
                "resources": {"requests": RESOURCES, "limits": RESOURCES},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    },
}
"""The namespace may enforce the Pod Security Standard restricted, and have a quota that demands requests and limits."""


def status_in(namespace: str) -> tuple[str, str]:
    """The status of the pod, or why it has none."""
    try:
        response = connect_in_pod().create(f"/api/v1/namespaces/{namespace}/pods", POD, dryRun="All")
    except ClusterError as problem:
        return "", str(problem)
    answer: dict[str, Any] = json.loads(response.body)
    if not response.is_success:
        return "", str(answer.get("message", response.status))
    status = answer["metadata"]["annotations"].get(STATUS_ANNOTATION, "")
    return (
        status,
        "" if status else f"the API server created the pod without a call to the webhook; doctor --namespace {namespace} says why",
    )


def main(namespace: str) -> int:
    """Print the status; 1 if there is none after `SECONDS`."""
    end = time.monotonic() + SECONDS
    status, problem = status_in(namespace)
    while not status and time.monotonic() < end:
        time.sleep(1)
        status, problem = status_in(namespace)
    sys.stdout.write(f"a task pod in {namespace}: {status or problem}\n")
    return 0 if status else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
