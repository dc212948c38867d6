"""The review that all contestants get: a task's pod, as an API server sends it after Istio."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

FIXTURE: Final = (
    Path(__file__).parent.parent
    / "tests/fixtures/airflow-pods/admission-simulated/airflow-3.3.2-provider-10.25.0"
    / "ke_chart_template.json"
)
GIT_SYNC: Final = Path(__file__).parent / "git_sync_init.json"
ISTIO: Final = Path(__file__).parent / "istio_injection.json"

MINIMUM_BYTES: Final = 13_000
MAXIMUM_BYTES: Final = 18_000

# Lists that the API server tracks by key: `+listMapKey` in k8s.io/api core/v1/types.go.
MERGE_KEYS: Final = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
}
# `+structType=atomic` in k8s.io/api core/v1/types.go: owned as a whole.
ATOMIC: Final = frozenset({"secretKeyRef", "configMapKeyRef", "fieldRef"})
# What the API server knows from the scheduler's bound service account token:
# k8s.io/apiserver pkg/authentication/serviceaccount/util.go.
BEARER: Final = {
    "uid": "5a9d3c0e-7c55-4a53-9a0c-2f6f1c6c7b1e",
    "extra": {
        "authentication.kubernetes.io/credential-id": ["JTI=0f0c4c1e-5c0f-4f6f-9d0e-1b0a6a6f5b1d"],
        "authentication.kubernetes.io/node-name": ["node-a.example"],
        "authentication.kubernetes.io/node-uid": ["d1d7b1a4-6f0f-4e5e-8a57-5a1a0c7e2b90"],
        "authentication.kubernetes.io/pod-name": ["prod-scheduler-7c9d8b6f5d-q2w4x"],
        "authentication.kubernetes.io/pod-uid": ["8e3b7f7c-3f0f-4a3c-8d4a-9f1d2c3b4a59"],
    },
}
# Not `omitempty`, so always there, and never owned by themselves.
ALWAYS_PRESENT: Final = frozenset({"metadata", "spec", "containers"})


def review_body() -> bytes:
    """Return the AdmissionReview v1 of one KubernetesExecutor pod after Istio's injector.

    The pod is that of the Airflow chart's template with git-sync on, `istio-proxy` is a regular
    container (Istio's mode where a cluster has no native sidecars), and `metadata.managedFields`
    lists the fields that the scheduler sent.

    Returns:
        13,000 to 18,000 bytes of JSON in UTF-8, without spaces, as an API server sends it.

    Raises:
        ValueError: The size left that range, so figures of different days would not compare.

    """
    body = json.dumps(review(), separators=(",", ":")).encode()
    if not MINIMUM_BYTES <= len(body) <= MAXIMUM_BYTES:
        message = f"the review has {len(body)} bytes, not {MINIMUM_BYTES} to {MAXIMUM_BYTES}"
        raise ValueError(message)
    return body


def review() -> JSONObject:
    """Return the same review as a JSON object."""
    document: JSONObject = json.loads(FIXTURE.read_bytes())
    document["request"]["userInfo"].update(BEARER)
    pod = document["request"]["object"]
    append(pod["spec"], json.loads(GIT_SYNC.read_bytes()))
    pod["metadata"]["managedFields"] = [managed_fields(as_the_scheduler_sent(pod))]
    injection = json.loads(ISTIO.read_bytes())
    for kind in ("labels", "annotations"):
        pod["metadata"][kind].update(injection[kind])
    append(pod["spec"], injection)
    return document


def append(spec: JSONObject, addition: JSONObject) -> None:
    """Add containers and volumes at the ends of their lists, as Istio does in container mode."""
    for kind in ("initContainers", "containers", "volumes"):
        spec.setdefault(kind, []).extend(addition.get(kind, []))


def as_the_scheduler_sent(pod: JSONObject) -> JSONObject:
    """Return the pod without what the API server's admission plugins added, since no manager owns that."""
    sent = deepcopy(pod)
    for added in ("tolerations", "priority", "preemptionPolicy"):
        sent["spec"].pop(added)
    drop_service_account_token(sent["spec"], "volumes")
    for container in sent["spec"]["initContainers"] + sent["spec"]["containers"]:
        drop_service_account_token(container, "volumeMounts")
    return sent


def drop_service_account_token(holder: JSONObject, kind: str) -> None:
    """Drop the entries that the ServiceAccount admission plugin adds, from one list."""
    holder[kind] = [it for it in holder[kind] if not it["name"].startswith("kube-api-access-")]


def managed_fields(pod: JSONObject) -> JSONObject:
    """Return the one ManagedFieldsEntry of a pod that was created by POST.

    The manager is the first part of the Python client's User-Agent, as `managerOrUserAgent` has it
    (k8s.io/apiserver pkg/endpoints/handlers/create.go).
    """
    metadata = {kind: pod["metadata"][kind] for kind in ("annotations", "labels")}
    return {
        "manager": "OpenAPI-Generator",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2024-02-29T00:00:10Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": fields("metadata", metadata),
            "f:spec": fields("spec", pod["spec"]),
        },
    }


def fields(name: str, value: object) -> JSONObject:
    """Return the FieldsV1 set of one field, in structured-merge-diff's `f:` and `k:` notation."""
    if isinstance(value, list) and name in MERGE_KEYS:
        inner = {element_key(name, element): fields("", element) for element in value}
    elif isinstance(value, dict) and name not in ATOMIC:
        inner = {f"f:{key}": fields(key, child) for key, child in value.items()}
    else:
        return {}
    return inner if name in ALWAYS_PRESENT or not inner else {".": {}, **inner}


def element_key(name: str, element: JSONObject) -> str:
    """Return the path element of one entry of a keyed list, such as `k:{"name":"base"}`."""
    key = {part: element[part] for part in MERGE_KEYS[name]}
    return "k:" + json.dumps(key, separators=(",", ":"))
