"""Airflow's pod template as the pod that Airflow makes of it: with the label that identifies the pod, and the name of its container."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from webhook.core import BASE_CONTAINER, ORIGIN_LABELS, PodOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.command.pod_file import FoundPod


class TemplateUser(StrEnum):
    """Who makes a pod of a template."""

    KUBERNETES_EXECUTOR = "kubernetes-executor"
    POD_OPERATOR = "pod-operator"


ORIGINS: Final[Mapping[TemplateUser, PodOrigin]] = {
    TemplateUser.KUBERNETES_EXECUTOR: PodOrigin.KUBERNETES_EXECUTOR,
    TemplateUser.POD_OPERATOR: PodOrigin.KUBERNETES_POD_OPERATOR,
}


def as_made_by(user: TemplateUser | None, found: FoundPod) -> FoundPod:
    """The pod that Airflow makes of a template; None: the executor, of the template in a ConfigMap, and nobody of any other.

    A pod that carries a label of Airflow's already stays as it is, as does the template of a Job, of a Deployment, and so on.
    Airflow merges the first container of the template into the one that it calls `base` (PodGenerator.reconcile_containers).
    """
    maker = user or (TemplateUser.KUBERNETES_EXECUTOR if found.template_of.startswith("ConfigMap ") else None)
    metadata, spec = found.pod.get("metadata") or {}, found.pod.get("spec")
    if maker is None or not found.is_for_airflow or not isinstance(metadata, dict) or not isinstance(spec, dict):
        return found
    labels = metadata.get("labels") or {}
    containers = spec.get("containers") or []
    if not isinstance(labels, dict) or not isinstance(containers, list) or not ORIGIN_LABELS.keys().isdisjoint(labels):
        return found
    (label,) = [label for label, origin in ORIGIN_LABELS.items() if origin is ORIGINS[maker]]
    named = [{**one, "name": BASE_CONTAINER} if isinstance(one, dict) else one for one in containers[:1]]
    pod = {
        **found.pod,
        "metadata": {**metadata, "labels": {**labels, label: "True"}},
        "spec": {**spec, "containers": [*named, *containers[1:]]},
    }
    return replace(found, pod=pod, template_of=f"{found.template_of or 'pod template'}, as made by {maker}")
