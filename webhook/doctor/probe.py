"""Whether a native sidecar survives the way into the cluster: what is sent in a dry run, and what an answer to it says.

Two dry runs tell the cluster from the webhooks in it. A pod goes the whole way: the API server and every mutating webhook. A PodTemplate
holds the same pod and is checked by the same code of the API server (kubernetes pkg/registry/core/podtemplate/strategy.go drops the fields
whose gate is off, and pkg/apis/core/validation validates it as a pod), but what injects into pods is not called for it. A mark that is
lost in both was lost by the API server; one that is lost in the pod alone was lost by a webhook. Nothing is stored.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec

from webhook.core import MODE_ANNOTATION, STATUS_ANNOTATION, Mode
from webhook.doctor.registration import Resource

PROBE: Final = "native-sidecar-probe"
LABELS: Final = MappingProxyType({"kubernetes_executor": "True"})
"""Of a task pod of the KubernetesExecutor: our own webhook and the injectors shall see it as one."""

PARAMETERS: Final = MappingProxyType({"dryRun": "All", "fieldValidation": "Strict"})
"""Strict: a server that has never heard of the field says so, and does not drop it."""

POD_TEMPLATES: Final = Resource("", "podtemplates")

CREATED: Final = 201
LOST: Final = ("may not be set for init containers", 'initContainers[0].restartPolicy"')
"""What a server says that has lost the mark, or never knew it: a startupProbe is for native sidecars alone (kubernetes
pkg/apis/core/validation/validation.go, validateInitContainers), and a strict decoder names the field that it does not know."""


class Verdict(StrEnum):
    """What a dry run shows."""

    KEPT = "kept"
    LOST = "lost"
    UNTESTED = "untested"


class Trial(msgspec.Struct, frozen=True):
    """How a dry run ended.

    Args:
        verdict: What it shows.
        told: The API server's own words where it refused; else "".
        is_marked: Whether our own webhook left its status on the pod; None where no pod came back.

    """

    verdict: Verdict
    told: str = ""
    is_marked: bool | None = None


def pod() -> dict[str, Any]:
    """The pod. It says what its mode is, so that our webhook leaves its status on it whatever the default is."""
    metadata = {"generateName": "airflow-sidecar-webhook-doctor-", "labels": dict(LABELS), "annotations": {MODE_ANNOTATION: Mode.AUTO}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec()}


def pod_template() -> dict[str, Any]:
    """The same pod, where no injector looks."""
    metadata = {"generateName": "airflow-sidecar-webhook-doctor-"}
    template = {"metadata": {"labels": dict(LABELS)}, "spec": _spec()}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}


def read_trial(status: int, body: bytes) -> Trial:
    """What the API server's answer to either of them says."""
    answer = _decoded(body)
    if status == CREATED:
        created = answer.get("template", answer)
        verdict = Verdict.KEPT if _is_native(created) else Verdict.LOST
        return Trial(verdict, is_marked=STATUS_ANNOTATION in (created["metadata"].get("annotations") or {}))
    told = " ".join(str(answer.get("message") or f"HTTP status {status}").split())
    return Trial(Verdict.LOST if any(sign in told for sign in LOST) else Verdict.UNTESTED, told)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A proxy before the API server answers in HTML.
        return {}


def _is_native(created: dict[str, Any]) -> bool:
    return any(one["name"] == PROBE and one.get("restartPolicy") == "Always" for one in created["spec"].get("initContainers") or ())


def _spec() -> dict[str, Any]:
    """What the restricted Pod Security Standard, a quota and a LimitRange let pass. The image is never pulled."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [{**_container(PROBE), "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 1024}}}],
        "containers": [{**_container("base"), "command": ["/bin/true"]}],
    }


def _container(name: str) -> dict[str, Any]:
    demand = {"cpu": "100m", "memory": "64Mi"}
    return {
        "name": name,
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": demand, "limits": demand},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
