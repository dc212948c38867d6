"""A valid pod, and the review and the reply about it, of which a test changes one place."""

from __future__ import annotations

from typing import Any

import jsonpatch

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "extract",
        "labels": {"kubernetes_executor": "True", "example.com/team": ""},
        "annotations": {"dag_id": "a dag, with any character in its name: é <&>"},
    },
    "spec": {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsUser": 50000, "fsGroup": 0},
        "containers": [
            {
                "name": "base",
                "image": "apache/airflow:3.0.0",
                "args": ["airflow", "tasks", "run"],
                "env": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}],
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1, "memory": "1Gi"}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
            {
                "name": "istio-proxy",
                "image": "istio/proxyv2",
                "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
            },
        ],
        "initContainers": [
            {
                "name": "vault-agent",
                "image": "vault",
                "restartPolicy": "Always",
                "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
                "startupProbe": {"tcpSocket": {"port": "http"}, "successThreshold": 1},
                "securityContext": {
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
            {"name": "prepare", "image": "busybox"},
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1.5Gi", "medium": "Memory"}},
            {"name": "nothing"},
        ],
    },
}


BASE = "/spec/containers/0"


PROXY = "/spec/containers/1"


NATIVE = "/spec/initContainers/0"


INIT = "/spec/initContainers/1"


# claim: (path, value or REMOVED, the error)
REMOVED = object()


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    operation: dict[str, object] = {"op": "add", "path": path, "value": value}
    if value is REMOVED:
        operation = {"op": "remove", "path": path}
    result: dict[str, Any] = jsonpatch.apply_patch(document, [operation])
    return result


def review(pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": UID, "operation": "CREATE", "object": pod},
    }


def reply(**response: object) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": UID, "allowed": True, **response},
    }
