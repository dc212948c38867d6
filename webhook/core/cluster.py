"""What the cluster supports: from an observation of it to one frozen value that every decision reads.

A native sidecar (KEP-753) needs an API server that accepts ``restartPolicy`` on an init container, and a kubelet that implements
it on every node where the pod may run. Unknown counts as no: without support a pod with a native sidecar is refused, or
never leaves its init containers.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.condition import glob
from webhook.core.placement import VIRTUAL_KUBELET_LABELS, names_virtual_node
from webhook.core.reasons import REMOVE, ExplainedWord, ReasonRow
from webhook.core.remedy_line import LinePlace, RemedyLine
from webhook.core.version import Version, read_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.core.catalogue import Catalogue
    from webhook.core.pod import Pod

NATIVE_SERVER: Final = Version(1, 29)
"""Where SidecarContainers is on by default (kubernetes pkg/features/kube_features.go: alpha 1.28, beta 1.29, GA 1.33)."""

GATE_LOCKED: Final = Version(1, 33)
"""From here on SidecarContainers cannot be switched off (the same file: GA, LockToDefault)."""

NAMED_PORTS_SEEN: Final = Version(1, 32)
"""From here on EndpointSlices hold the named ports of native sidecars (kubernetes#127976, #128850)."""

DEFAULT_MINIMUM_KUBELET: Final = Version(1, 29, 3)
"""Before 1.29.3 the status of a restarted sidecar may stay wrong in a pod that is not restarted (kubernetes#123323)."""

KUBELET_SKEW: Final = 3
"""A kubelet may be three minor versions older than its API server (https://kubernetes.io/releases/version-skew-policy/#kubelet)."""

VIRTUAL_NODE_LABELS: Final = MappingProxyType({**VIRTUAL_KUBELET_LABELS, "eks.amazonaws.com/compute-type": "fargate"})
"""Nodes that say nothing of where the next pod runs: a Fargate node is one pod, as old as that pod, and takes no other; behind a
virtual kubelet there is no kubelet, and pods run there only with a toleration."""


LIST_KUBELETS: Final = (
    "kubectl get nodes --sort-by=.status.nodeInfo.kubeletVersion "
    "--output=custom-columns=NODE:.metadata.name,KUBELET:.status.nodeInfo.kubeletVersion"
)


class NativeSwitch(StrEnum):
    """The setting ``native_sidecars``."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class NativeSupportRow(ReasonRow, frozen=True):
    """An answer in words; ``is_native``: whether native sidecars are used."""

    is_native: bool


class NativeSupport(ExplainedWord):
    """Whether native sidecars are used on this cluster, and why."""

    row: NativeSupportRow

    READY = NativeSupportRow("ready", "The API server and all kubelets support native sidecars, by their versions.", "", is_native=True)
    FORCED_ON = NativeSupportRow("forced-on", "The setting native_sidecars is on.", "", is_native=True)
    FORCED_OFF = NativeSupportRow(
        "forced-off",
        "The setting native_sidecars is off.",
        "Change the setting.",
        is_native=False,
        line=RemedyLine(LinePlace.SETTINGS, "native_sidecars", "auto"),
    )
    UNKNOWN = NativeSupportRow(
        "unknown",
        "The versions of the API server and the kubelets are not known: the service has not read them yet, or cannot.",
        "Nothing to do in the pod. The webhook's log says what it cannot read: docs/alerts.md#the-clusters-state-is-old.",
        is_native=False,
    )
    OLD_SERVER = NativeSupportRow(
        "old-server",
        f"The API server is older than {NATIVE_SERVER.major}.{NATIVE_SERVER.minor}, or emulates an older version.",
        "Nothing to do in the pod. An administrator upgrades the API server; the command shows its version, and the one that it emulates.",
        is_native=False,
        line=RemedyLine(LinePlace.CLUSTER, "", "kubectl get --raw /version"),
    )
    OLD_KUBELET = NativeSupportRow(
        "old-kubelet",
        "A node's kubelet is older than the setting minimum_kubelet.",
        "Nothing to do in the pod. An administrator upgrades the old nodes; the command lists the nodes by their kubelets.",
        is_native=False,
        line=RemedyLine(LinePlace.CLUSTER, "", LIST_KUBELETS),
    )
    EMULATING_SERVER = NativeSupportRow(
        "emulating-server",
        f"The API server emulates a version before {GATE_LOCKED.major}.{GATE_LOCKED.minor}, which may have native sidecars switched off; "
        "the webhook cannot see that.",
        "If they are not switched off there, force them on.",
        is_native=False,
        line=RemedyLine(LinePlace.SETTINGS, "native_sidecars", "on"),
    )
    VIRTUAL_NODE = NativeSupportRow(
        "virtual-node",
        "The pod names virtual nodes by its node, node selector, affinity, tolerations, labels or annotations, "
        "and no version says what those support.",
        "Remove what names them, if the pod is not meant for them.",
        is_native=False,
        line=REMOVE,
    )


class ServerVersion(msgspec.Struct, frozen=True):
    """An API server's version.

    Args:
        reported: As the API server reports it, like ``v1.34.2-eks-1``.
        counts_as: The version whose features it has: the emulated one, where it emulates an older one (KEP-4330).
        emulates: Whether it emulates an older one.

    """

    reported: str
    counts_as: Version
    emulates: bool = False


class ClusterObservation(msgspec.Struct, frozen=True):
    """What was read from a cluster.

    Args:
        server: The API server; None: not known.
        oldest_kubelet: Of all nodes, virtual ones aside; None: there is none, or not known.
        are_nodes_known: Whether the nodes were listed.
        injectors: Ids of the catalogue's rows whose injector is installed.
        reinvoked: Of these, the ones that the API server may call again (``reinvocationPolicy: IfNeeded``); None: not known.
        injector_versions: Of these, the version of each one that is known, see `InstalledInjectors`.
        virtual_nodes: Names of the virtual nodes.
        are_injectors_known: Whether the mutating webhooks were listed, so that no other injector is installed.

    """

    server: ServerVersion | None = None
    oldest_kubelet: Version | None = None
    are_nodes_known: bool = False
    injectors: frozenset[str] = frozenset()
    reinvoked: frozenset[str] | None = None
    injector_versions: dict[str, Version] = {}
    virtual_nodes: frozenset[str] = frozenset()
    are_injectors_known: bool = False


class Cluster(msgspec.Struct, frozen=True):
    """What the decisions read.

    Args:
        support: Whether native sidecars are used, and why.
        server: The version whose features the API server has; None: not known.
        injectors: As in `ClusterObservation`.
        reinvoked: As in `ClusterObservation`.
        virtual_nodes: As in `ClusterObservation`.
        injector_versions: As in `ClusterObservation`.
        are_injectors_known: As in `ClusterObservation`.

    """

    support: NativeSupport = NativeSupport.UNKNOWN
    server: Version | None = None
    injectors: frozenset[str] = frozenset()
    reinvoked: frozenset[str] | None = None
    virtual_nodes: frozenset[str] = frozenset()
    injector_versions: dict[str, Version] = {}
    are_injectors_known: bool = False

    @property
    def is_native(self) -> bool:
        """Whether native sidecars are used."""
        return self.support.row.is_native

    def for_pod(self, pod: Pod) -> Cluster:
        """The cluster as it is for a pod: without native sidecars for one that names virtual nodes."""
        if self.is_native and names_virtual_node(pod, self.virtual_nodes):
            return msgspec.structs.replace(self, support=NativeSupport.VIRTUAL_NODE)
        return self


UNKNOWN_CLUSTER: Final = Cluster()
"""The cluster of which nothing is known: no native sidecars."""


def assess(observed: ClusterObservation, switch: NativeSwitch, minimum_kubelet: Version = DEFAULT_MINIMUM_KUBELET) -> Cluster:
    """What the rules may assume of a cluster of which this was read."""
    server = observed.server.counts_as if observed.server else None
    support = _support(observed, switch, minimum_kubelet)
    return Cluster(
        support,
        server,
        observed.injectors,
        observed.reinvoked,
        observed.virtual_nodes,
        observed.injector_versions,
        observed.are_injectors_known,
    )


def _support(observed: ClusterObservation, switch: NativeSwitch, minimum_kubelet: Version) -> NativeSupport:
    if switch is not NativeSwitch.AUTO:
        return NativeSupport.FORCED_ON if switch is NativeSwitch.ON else NativeSupport.FORCED_OFF
    if observed.server is None or not observed.are_nodes_known:
        return NativeSupport.UNKNOWN
    server = observed.server.counts_as
    if server < NATIVE_SERVER:
        return NativeSupport.OLD_SERVER
    oldest = observed.oldest_kubelet or oldest_to_join(server)
    if oldest < minimum_kubelet:
        return NativeSupport.OLD_KUBELET
    # Whoever emulates such a version sets that server's flags by hand; no right of the webhook shows its feature gates.
    return NativeSupport.EMULATING_SERVER if observed.server.emulates and server < GATE_LOCKED else NativeSupport.READY


def oldest_to_join(server: Version) -> Version:
    """The oldest kubelet that an API server of this version supports."""
    return Version(server.major, server.minor - KUBELET_SKEW)


def is_virtual_node(labels: Mapping[str, str]) -> bool:
    """Whether a node of these labels is left out of the count."""
    return any(labels.get(key) == value for key, value in VIRTUAL_NODE_LABELS.items())


VERSION_LABEL: Final = "app.kubernetes.io/version"
"""Of a configuration: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/"""


class MutatingWebhook(msgspec.Struct, frozen=True):
    """One webhook of one MutatingWebhookConfiguration.

    Args:
        configuration: The configuration's name; the API server calls them in the order of these.
        name: The webhook's own name.
        reinvocation_policy: ``Never`` or ``IfNeeded``.
        version: What the configuration says by `VERSION_LABEL`; "" where it has none.

    """

    configuration: str
    name: str
    reinvocation_policy: str = "Never"
    version: str = ""


class InstalledInjectors(msgspec.Struct, frozen=True):
    """The injectors whose webhooks are installed, by the ids of their rows.

    Args:
        ids: All of them.
        reinvoked: Those that may be called again for a pod.
        versions: The version of each one whose configurations all have one, the lowest of several. Only somebody who may change a
            webhook's configuration can change it: no pod can.

    """

    ids: frozenset[str]
    reinvoked: frozenset[str]
    versions: dict[str, Version]


def installed_injectors(webhooks: Iterable[MutatingWebhook], catalogue: Catalogue) -> InstalledInjectors:
    """The injectors among these webhooks."""
    found: dict[str, list[MutatingWebhook]] = {}
    for webhook in webhooks:
        for sidecar in catalogue.injected:
            if any(glob(pattern).match(webhook.name) for pattern in sidecar.injected_by):
                found.setdefault(sidecar.id, []).append(webhook)
    reinvoked = [id_ for id_, those in found.items() if any(one.reinvocation_policy == "IfNeeded" for one in those)]
    versions = {id_: _lowest(those) for id_, those in found.items()}
    return InstalledInjectors(
        frozenset(found), frozenset(reinvoked), {id_: version for id_, version in versions.items() if version is not None}
    )


def _lowest(webhooks: list[MutatingWebhook]) -> Version | None:
    versions = [read_version(webhook.version) for webhook in webhooks]
    known = [version for version in versions if version is not None]
    return min(known) if len(known) == len(versions) else None
