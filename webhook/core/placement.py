"""Which nodes a pod names: virtual ones, about which the cluster's answer says nothing, and ones with Windows.

A pod names nodes by its node selector, its node affinity and its tolerations; where a cloud's own admission webhook or scheduler adds
these, by a label or an annotation. Behind a virtual kubelet there is no kubelet whose version says what it supports:
virtual-kubelet/azure-aci drops ``restartPolicy`` of an init container, and refuses its probes and resources (getInitContainers, #204,
#229). Windows may be named so instead of in ``spec.os``, or by a runtime class, a user or an image that only Windows has
(https://kubernetes.io/docs/concepts/windows/user-guide/, https://kubernetes.io/docs/tasks/configure-pod-container/configure-runasusername/).
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from webhook.core.condition import MAX_IMAGE_CHARACTERS
from webhook.core.pod import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core.pod import Container, NodeRequirement, NodeTerm, Pod, PodSpec

VIRTUAL_KUBELET_LABELS: Final = MappingProxyType(
    {
        "type": "virtual-kubelet",
        "liqo.io/type": "virtual-node",
        "node.kubernetes.io/instance-type": "eklet",
        "k8s.aliyun.com/vnode": "true",
        "vci.vke.volcengine.com/node-type": "vci",
    }
)
"""Labels of nodes behind a virtual kubelet: virtual-kubelet/node-cli, liqotech/liqo, the nodes of Tencent, Alibaba and Volcengine."""

VIRTUAL_KUBELET_TAINTS: Final = frozenset(
    {
        *("virtual-kubelet.io/provider", "azure.com/aci", "eks.tke.cloud.tencent.com/eklet"),
        *("virtual-node.liqo.io/not-allowed", "virtual-node.interlink/no-schedule"),
        *("k8s.aliyun.com/vnode", "vci.vke.volcengine.com/node-type"),
    }
)
"""Keys of the taints of such nodes; a pod that tolerates one of them by its key is meant for them."""

POD_MARKS: Final = frozenset(
    {
        *("alibabacloud.com/eci", "alibabacloud.com/acs", "alibabacloud.com/burst-resource"),
        *("virtual-kubelet.io/burst-to-cci", "bursting.cci.io/burst-to-cci", "vke.volcengine.com/burst-to-vci"),
    }
)
"""Keys of labels and annotations that send a pod to such nodes, with any value but `NO_MARKS`, without a word in its spec (Alibaba's help
pages on virtual nodes; Huawei's on CCE and CCI; volcengine/vci-admission)."""

NO_MARKS: Final = frozenset({"", "false", "off"})

USUAL_NAMES: Final = ("virtual-node-", "virtual-kubelet-")
"""How the names of such nodes begin, in AKS and in Alibaba's clusters: for whoever does not know the cluster's nodes."""

HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
NAME_FIELD: Final = "metadata.name"
"""The one field of a node that an affinity may name (validation.go ValidateNodeFieldSelectorRequirement)."""

OS_LABELS: Final = frozenset({"kubernetes.io/os", "beta.kubernetes.io/os"})
WINDOWS_BUILD: Final = "node.kubernetes.io/windows-build"
"""A label that only nodes with Windows have."""

WINDOWS_VERSION_LABELS: Final = frozenset({"kubernetes.azure.com/os-sku", "cloud.google.com/gke-os-distribution"})
"""Labels by which AKS and GKE name a node's system with its version; that of Windows begins with its name."""

_WINDOWS: Final = "windows"
_WINDOWS_IMAGE: Final = re.compile(r"(?:^|/)windows/(?:nanoserver|server|servercore)(?:[:@]|\Z)|[:-](?:nanoserver|windowsservercore)-")
"""Microsoft's base images, and the tags of images that are built on them (docker-library/official-images)."""

MAX_RUNTIME_CLASS_CHARACTERS: Final = 253
"""Of the name of a RuntimeClass: a DNS subdomain (apimachinery pkg/util/validation, IsDNS1123Subdomain)."""


def names_virtual_node(pod: Pod, virtual_nodes: frozenset[str]) -> bool:
    """Whether the pod may run on a virtual node, as it says itself; ``virtual_nodes`` are the names of those in the cluster."""
    return bool(marks_in(pod.labels) or marks_in(pod.annotations)) or spec_names_virtual_node(pod.spec, virtual_nodes)


def marks_in(entries: dict[str, str]) -> list[str]:
    """Those of a pod's labels or annotations that send it to a virtual node."""
    if POD_MARKS.isdisjoint(entries):
        return []
    return [key for key, value in entries.items() if key in POD_MARKS and value not in NO_MARKS]


def spec_names_virtual_node(spec: PodSpec, virtual_nodes: frozenset[str]) -> bool:
    """Whether a pod's spec names virtual nodes; ``virtual_nodes`` as in `names_virtual_node`."""
    if is_virtual_name(spec.nodeName, virtual_nodes):
        return True
    if spec.nodeSelector and selects_virtual(spec.nodeSelector, virtual_nodes):
        return True
    # They are decoded, not searched: a text of any length takes far longer to be searched for so many words than to be decoded.
    if spec.tolerations != ABSENT and any(one.key in VIRTUAL_KUBELET_TAINTS for one in spec.tolerated):
        return True
    return spec.affinity != ABSENT and any(_wants_virtual(requirement, virtual_nodes) for requirement in _requirements(spec))


def is_virtual_name(name: str | None, virtual_nodes: frozenset[str]) -> bool:
    """Whether a node of this name is a virtual one; ``virtual_nodes`` as in `names_virtual_node`."""
    return name is not None and (name in virtual_nodes or name.startswith(USUAL_NAMES))


def selects_virtual(selected: dict[str, str], virtual_nodes: frozenset[str]) -> bool:
    """Whether a node selector names virtual nodes."""
    by_label = any(selected.get(key) == value for key, value in VIRTUAL_KUBELET_LABELS.items())
    return by_label or is_virtual_name(selected.get(HOSTNAME_LABEL), virtual_nodes)


def _wants_virtual(requirement: NodeRequirement, virtual_nodes: frozenset[str]) -> bool:
    if requirement.operator != "In":
        return False
    values = requirement.values or []
    if requirement.key in {HOSTNAME_LABEL, NAME_FIELD}:
        return any(is_virtual_name(value, virtual_nodes) for value in values)
    return VIRTUAL_KUBELET_LABELS.get(requirement.key) in values


def _requirements(spec: PodSpec) -> Iterator[NodeRequirement]:
    affinity = spec.node_affinity
    for term in (*affinity.required, *affinity.preferred):
        yield from term.matchExpressions or ()
        yield from term.matchFields or ()


def names_windows(spec: PodSpec) -> bool:
    """Whether the pod runs on Windows, as it says itself."""
    if spec.os is not None and spec.os.name == _WINDOWS:
        return True
    if spec.nodeSelector and _selects_windows(spec.nodeSelector):
        return True
    if spec.runtimeClassName and _WINDOWS in spec.runtimeClassName[:MAX_RUNTIME_CLASS_CHARACTERS]:
        return True
    if spec.has_windows_options or any(map(_is_of_windows, spec.containers)):
        # A pod may have such options for the case that it runs there.
        return not _names_linux(spec)
    # A term is an alternative, but an image runs on one system only.
    return spec.affinity != ABSENT and any(map(_wants_windows, spec.node_affinity.required))


def _selects_windows(selected: dict[str, str]) -> bool:
    if WINDOWS_BUILD in selected or any(selected.get(label) == _WINDOWS for label in OS_LABELS):
        return True
    return any(selected.get(label, "")[: len(_WINDOWS)].lower() == _WINDOWS for label in WINDOWS_VERSION_LABELS)


def _names_linux(spec: PodSpec) -> bool:
    selected = spec.nodeSelector or {}
    return (spec.os is not None and spec.os.name == "linux") or any(selected.get(label) == "linux" for label in OS_LABELS)


def _is_of_windows(container: Container) -> bool:
    image = container.image or ""
    return container.has_windows_options or (len(image) <= MAX_IMAGE_CHARACTERS and _is_windows_image(image))


# Few images occur again and again.
@lru_cache(maxsize=256)
def _is_windows_image(image: str) -> bool:
    return _WINDOWS_IMAGE.search(image) is not None


def _wants_windows(term: NodeTerm) -> bool:
    return any(map(_is_windows, term.matchExpressions or ()))


def _is_windows(requirement: NodeRequirement) -> bool:
    if requirement.key == WINDOWS_BUILD:
        return requirement.operator in {"In", "Exists", "Gt"}
    if requirement.key not in OS_LABELS:
        return False
    values = requirement.values or []
    return values == [_WINDOWS] if requirement.operator == "In" else requirement.operator == "NotIn" and "linux" in values
