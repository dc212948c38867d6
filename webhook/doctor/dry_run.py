"""The dry runs that test native sidecars: what is sent, and what the response shows.

Two dry runs separate the API server from the webhooks. A pod passes the API server and every mutating webhook. A PodTemplate holds the
same pod and is checked by the same code of the API server (kubernetes pkg/registry/core/podtemplate/strategy.go drops the fields whose
feature gate is off, and pkg/apis/core/validation validates it as a pod), but no webhook for pods is called for it. If both lose the
restartPolicy of the native sidecar, the API server drops it; if only the pod does, a webhook drops it. Nothing is stored.
"""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import MODE_ANNOTATION, STATUS_ANNOTATION, TREATMENT_LABEL, Mode, Treatment
from webhook.doctor.registration import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

SIDECAR: Final = "native-sidecar-probe"
LABELS: Final = MappingProxyType({"kubernetes_executor": "True"})
"""Of a task pod of the KubernetesExecutor, so that the webhook and the injectors treat it as one."""

PARAMETERS: Final = MappingProxyType({"dryRun": "All", "fieldValidation": "Strict"})
"""Strict: a server that does not know the field reports it instead of dropping it."""

POD_TEMPLATES: Final = Resource("", "podtemplates")

CREATED: Final = 201
DROPPED_SIGNS: Final = ("may not be set for init containers", 'initContainers[0].restartPolicy"')
"""In the message of a server that dropped the restartPolicy or does not know it: only a native sidecar may have a startupProbe (kubernetes
pkg/apis/core/validation/validation.go, validateInitContainers), and a strict decoder names the unknown field."""

DUPLICATE_SIGN: Final = re.compile(r"ontainers\[\d+\]\.name: Duplicate value")
"""In the message of a server that refuses a pod with two containers of one name (the same file)."""


class DryRunResult(StrEnum):
    """What a dry run shows."""

    PASSED = "passed"
    """The native sidecar came back as one."""

    DROPPED = "dropped"
    """Its restartPolicy was dropped on the way."""

    DUPLICATE = "duplicate"
    """The pod was refused, because two containers have one name."""

    INCONCLUSIVE = "inconclusive"
    """The pod was refused for another reason."""


class DryRun(msgspec.Struct, frozen=True):
    """A dry run that was made.

    Args:
        result: What it shows.
        message: The API server's own message if it refused; else "".
        has_status: Whether the webhook wrote its status on the pod; None where no pod came back.
        is_audited: Whether that status says that the webhook only audits.

    """

    result: DryRunResult
    message: str = ""
    has_status: bool | None = None
    is_audited: bool = False


def pod(injector_annotations: Mapping[str, str]) -> dict[str, Any]:
    """The pod. It sets its mode, so that the webhook writes its status whatever the default mode is.

    ``injector_annotations`` are those by which the webhook makes injectors render native sidecars: the webhook may not be called yet, and
    with a template of the mesh's own (Istio's ``defaultTemplates``) such a pod may be refused.
    """
    annotations = {MODE_ANNOTATION: Mode.AUTO, **injector_annotations}
    metadata = {"generateName": "airflow-sidecar-webhook-doctor-", "labels": dict(LABELS), "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec()}


def pod_template() -> dict[str, Any]:
    """The same pod in a PodTemplate, for which no injector is called."""
    metadata = {"generateName": "airflow-sidecar-webhook-doctor-"}
    template = {"metadata": {"labels": dict(LABELS)}, "spec": _spec()}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}


def read_dry_run(status: int, body: bytes) -> DryRun:
    """What the API server's response to either of them shows."""
    answer = _decoded(body)
    if status == CREATED:
        created = answer.get("template", answer)
        result = DryRunResult.PASSED if _is_native(created) else DryRunResult.DROPPED
        metadata = created["metadata"]
        has_status = STATUS_ANNOTATION in (metadata.get("annotations") or {})
        return DryRun(result, has_status=has_status, is_audited=(metadata.get("labels") or {}).get(TREATMENT_LABEL) == Treatment.AUDITED)
    message = " ".join(str(answer.get("message") or f"HTTP status {status}").split())
    if DUPLICATE_SIGN.search(message):
        return DryRun(DryRunResult.DUPLICATE, message)
    is_dropped = any(sign in message for sign in DROPPED_SIGNS)
    return DryRun(DryRunResult.DROPPED if is_dropped else DryRunResult.INCONCLUSIVE, message)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A proxy before the API server answers in HTML.
        return {}


def _is_native(created: dict[str, Any]) -> bool:
    return any(one["name"] == SIDECAR and one.get("restartPolicy") == "Always" for one in created["spec"].get("initContainers") or ())


def _spec() -> dict[str, Any]:
    """The spec, which the restricted Pod Security Standard, a quota and a LimitRange admit. The image is never pulled."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [{**_container(SIDECAR), "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 1024}}}],
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
