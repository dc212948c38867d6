"""What the rules assume of a cluster, from what was read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from webhook.core.cluster import (
    Cluster,
    ClusterObservation,
    MutatingWebhook,
    NativeSupport,
    NativeSwitch,
    ServerVersion,
    assess,
    installed_injectors,
    is_virtual_node,
)
from webhook.core.pod import read_pod
from webhook.core.version import Version

if TYPE_CHECKING:
    from webhook.core.policy import Policy

NEW: Final = Version(1, 34, 1)
INJECTORS: Final = frozenset({"istio"})
REINVOKED: Final = frozenset({"dapr"})
VERSIONS: Final = {"istio": Version(1, 26, 8)}
VIRTUAL_NODES: Final = frozenset({"virtual-node-1"})


def observed(server: Version | None, oldest: Version | None = NEW, *, nodes: bool = True, emulates: bool = False) -> ClusterObservation:
    """An observation of a server and its nodes, with an injector that is installed."""
    version = None if server is None else ServerVersion(f"v{server}", server, emulates)
    return ClusterObservation(version, oldest, nodes, INJECTORS, REINVOKED, VERSIONS, VIRTUAL_NODES)


OBSERVATIONS: Final[dict[str, tuple[ClusterObservation, NativeSupport]]] = {
    "new enough": (observed(Version(1, 29), Version(1, 29, 3)), NativeSupport.READY),
    "no server": (observed(None), NativeSupport.UNKNOWN),
    "no list of nodes": (observed(NEW, nodes=False), NativeSupport.UNKNOWN),
    "an old server": (observed(Version(1, 28, 9)), NativeSupport.OLD_SERVER),
    "an old kubelet": (observed(NEW, Version(1, 29, 2)), NativeSupport.OLD_KUBELET),
    "no node, a server whose oldest kubelet is new enough": (observed(Version(1, 33), None), NativeSupport.READY),
    "no node, a server whose oldest kubelet is too old": (observed(Version(1, 32, 9), None), NativeSupport.OLD_KUBELET),
    "an emulated version with the gate": (observed(Version(1, 32), emulates=True), NativeSupport.EMULATING_SERVER),
    "an emulated version without the gate": (observed(Version(1, 33), emulates=True), NativeSupport.READY),
    "an emulated version that is too old": (observed(Version(1, 28), emulates=True), NativeSupport.OLD_SERVER),
}


@pytest.mark.parametrize(("observation", "support"), OBSERVATIONS.values(), ids=OBSERVATIONS)
def test_native_sidecars_are_used_where_server_and_kubelets_are_known_to_be_new_enough(
    observation: ClusterObservation, support: NativeSupport
) -> None:
    server = observation.server.counts_as if observation.server else None

    assert assess(observation, NativeSwitch.AUTO) == Cluster(support, server, INJECTORS, REINVOKED, VIRTUAL_NODES, VERSIONS)
    assert assess(observation, NativeSwitch.AUTO).is_native is (support is NativeSupport.READY)
    assert assess(observation, NativeSwitch.ON).support is NativeSupport.FORCED_ON
    assert assess(observation, NativeSwitch.OFF).support is NativeSupport.FORCED_OFF


def test_the_minimum_kubelet_is_a_setting() -> None:
    assert assess(observed(NEW, Version(1, 30)), NativeSwitch.AUTO, Version(1, 30)).support is NativeSupport.READY
    assert assess(observed(NEW, Version(1, 30)), NativeSwitch.AUTO, Version(1, 31)).support is NativeSupport.OLD_KUBELET


@pytest.mark.parametrize(
    ("labels", "is_virtual"),
    [
        ({}, False),
        ({"type": "virtual-kubelet"}, True),
        ({"type": "physical"}, False),
        ({"eks.amazonaws.com/compute-type": "fargate", "zone": "a"}, True),
        ({"eks.amazonaws.com/compute-type": "ec2"}, False),
    ],
    ids=str,
)
def test_a_node_without_a_kubelet_for_further_pods_does_not_count(labels: dict[str, str], *, is_virtual: bool) -> None:
    assert is_virtual_node(labels) is is_virtual


@pytest.mark.parametrize(
    ("node", "support"),
    [
        ("fargate-1", NativeSupport.VIRTUAL_NODE),
        ("virtual-kubelet-aci", NativeSupport.VIRTUAL_NODE),
        ("node-1", NativeSupport.READY),
        (None, NativeSupport.READY),
    ],
)
def test_for_a_pod_that_names_a_virtual_node_the_cluster_is_the_same_without_native_sidecars(
    node: str | None, support: NativeSupport
) -> None:
    pod = read_pod({"metadata": {}, "spec": {"containers": [], "nodeName": node}})
    cluster = Cluster(NativeSupport.READY, NEW, INJECTORS, REINVOKED, frozenset({"fargate-1"}), VERSIONS)

    assert cluster.for_pod(pod) == replace(cluster, support=support)


def test_where_no_pod_has_native_sidecars_the_reason_is_not_the_pods_node() -> None:
    cluster = Cluster(NativeSupport.OLD_KUBELET)

    assert cluster.for_pod(read_pod({"metadata": {}, "spec": {"containers": [], "nodeName": "virtual-kubelet-aci"}})) == cluster


def test_an_injector_is_installed_by_the_name_of_its_webhook_and_comes_again_where_its_policy_says_so(policy: Policy) -> None:
    webhooks = [
        MutatingWebhook("istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io", "IfNeeded"),
        MutatingWebhook("linkerd-proxy-injector", "linkerd-proxy-injector.linkerd.io"),
        MutatingWebhook("another", "webhook.example.com", "IfNeeded"),
    ]
    installed = installed_injectors(webhooks, policy.catalogue)

    assert {"istio", "linkerd"} <= installed.ids
    assert "dapr" not in installed.ids
    assert "istio" in installed.reinvoked
    assert "linkerd" not in installed.reinvoked
    assert installed.reinvoked < installed.ids


def test_an_injectors_version_is_the_lowest_of_its_webhooks_where_each_has_one(policy: Policy) -> None:
    istio = "rev.namespace.sidecar-injector.istio.io"

    def versions(*of_istio: str) -> dict[str, Version]:
        webhooks = [MutatingWebhook(f"istio-{number}", istio, version=version) for number, version in enumerate(of_istio)]
        return installed_injectors(webhooks, policy.catalogue).versions

    assert versions("1.27.0", "1.26.8")["istio"] == Version(1, 26, 8)
    assert versions("1.27.0", "") == versions("latest") == versions() == {}
