"""What a pod's author removes so that a sidecar can become native: a strategic merge patch of the pod, in which null removes a member.

``kubectl patch --local`` and kustomize apply it to the file that the pod or its template is in
(https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core.placement import VIRTUAL_KUBELET_TAINTS, is_virtual_name, marks_in, selects_virtual, spec_names_virtual_node
from webhook.core.pod import ABSENT
from webhook.core.reasons import NotConvertedReason
from webhook.core.remedy_line import MAX_LINE_CHARACTERS

if TYPE_CHECKING:
    from webhook.core.pod import Container, Pod, PodSpec
    from webhook.core.sidecar import Sidecar

MAX_TOLERATIONS_BYTES: Final = 4 * MAX_LINE_CHARACTERS
"""Of those of a pod, as JSON: a line with more is not shown."""


def container_removal(reason: NotConvertedReason, container: Container, row: Sidecar) -> dict[str, Any] | None:
    """The patch that removes from a container what prevents its conversion; None: no patch does, or what an injector adds is in no file."""
    if row.left_by_injector:
        return None
    match reason:
        case NotConvertedReason.OWN_RESTARTS:
            removed = _own_restarts(container)
        case NotConvertedReason.POST_START:
            removed = {"lifecycle": {"postStart": None}}
        case NotConvertedReason.STARTUP_PROBE:
            removed = {"startupProbe": None}
        case NotConvertedReason.HOST_PORT:
            removed = _ports(container, {port.containerPort: {"hostPort": None} for port in container.open_ports if port.hostPort})
        case NotConvertedReason.NAMED_PORT:
            removed = _ports(container, {port.containerPort: {"name": None} for port in container.open_ports if port.name})
        case _:
            return None
    return {"spec": {"containers": [{"name": container.name, **removed}]}} if removed else None


def _own_restarts(container: Container) -> dict[str, Any]:
    rules = {"restartPolicyRules": None} if container.restartPolicyRules != ABSENT else {}
    return {"restartPolicy": None, **rules}


def _ports(container: Container, removed: dict[int | None, dict[str, Any]]) -> dict[str, Any]:
    """Ports are merged by their number, so there is no patch for a number that occurs twice (TCP and UDP)."""
    numbers = Counter(port.containerPort for port in container.open_ports)
    if any(number is None or numbers[number] > 1 for number in removed):
        return {}
    return {"ports": [{"containerPort": number, **change} for number, change in removed.items()]}


def placement_removal(pod: Pod, virtual_nodes: frozenset[str]) -> dict[str, Any] | None:
    """The patch that removes what names virtual nodes; None: there is none that can be shown.

    An affinity may name them, whose other terms nobody but its author can keep; or the other tolerations, which stay, are too long.
    """
    if len(pod.spec.tolerations) > MAX_TOLERATIONS_BYTES:
        return None
    left = msgspec.structs.replace(pod.spec, nodeName=None, nodeSelector=None, tolerations=ABSENT)
    if spec_names_virtual_node(left, virtual_nodes):
        return None
    marks = {"labels": marks_in(pod.labels), "annotations": marks_in(pod.annotations)}
    metadata = {field: dict.fromkeys(keys) for field, keys in marks.items() if keys}
    removed = {"metadata": metadata, "spec": _spec_removal(pod.spec, virtual_nodes)}
    return {field: change for field, change in removed.items() if change} or None


def _spec_removal(spec: PodSpec, virtual_nodes: frozenset[str]) -> dict[str, Any]:
    removed: dict[str, Any] = {}
    if is_virtual_name(spec.nodeName, virtual_nodes):
        removed["nodeName"] = None
    selected = {key: None for key, value in (spec.nodeSelector or {}).items() if selects_virtual({key: value}, virtual_nodes)}
    if selected:
        removed["nodeSelector"] = selected
    if any(one.key in VIRTUAL_KUBELET_TAINTS for one in spec.tolerated):
        # A list without a merge key is replaced as a whole.
        removed["tolerations"] = [one for one in msgspec.json.decode(spec.tolerations) if one.get("key") not in VIRTUAL_KUBELET_TAINTS]
    return removed
