"""The current state of the cluster, from what was read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_api_reader import NEW, RecordingClusterListener
from webhook.core.cluster import DEFAULT_MINIMUM_KUBELET, Cluster, MutatingWebhook, NativeSupport, NativeSwitch, ServerVersion
from webhook.core.version import Version
from webhook.kube.nodes import Nodes, make_node
from webhook.kube.view import ClusterView

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue


def server_of(*version: int) -> ServerVersion:
    """An API server of this version that emulates no other."""
    return ServerVersion(str(Version(*version)), Version(*version))


def support_of(view: ClusterView) -> NativeSupport:
    """The current support."""
    return view.current.support


def test_the_support_is_unknown_until_server_and_nodes_are_known(view: ClusterView, listener: RecordingClusterListener) -> None:
    nodes = Nodes()
    nodes.put(make_node("a", {}, NEW))
    assert support_of(view) is NativeSupport.UNKNOWN
    view.update_nodes(nodes)
    assert support_of(view) is NativeSupport.UNKNOWN
    view.update_server(server_of(1, 34))
    assert view.current == Cluster(NativeSupport.READY, Version(1, 34))
    view.update_server(server_of(1, 28, 3))
    assert support_of(view) is NativeSupport.OLD_SERVER
    assert [after for _before, after, _node in listener.changes] == [NativeSupport.READY, NativeSupport.OLD_SERVER]


@pytest.mark.parametrize(
    ("server", "support"),
    [
        (Version(1, 32), NativeSupport.OLD_KUBELET),
        (Version(1, 32, 13), NativeSupport.OLD_KUBELET),
        (Version(1, 33), NativeSupport.READY),
    ],
    ids=str,
)
def test_a_server_without_nodes_may_be_joined_by_the_first_release_of_the_oldest_minor(
    server: Version, support: NativeSupport, view: ClusterView
) -> None:
    view.update_nodes(Nodes())
    view.update_server(ServerVersion(str(server), server))

    assert support_of(view) is support


@pytest.mark.parametrize(
    ("emulated", "support"),
    [
        (Version(1, 28), NativeSupport.OLD_SERVER),
        (Version(1, 29), NativeSupport.EMULATING_SERVER),
        (Version(1, 32), NativeSupport.EMULATING_SERVER),
        (Version(1, 33), NativeSupport.READY),
    ],
    ids=str,
)
def test_a_server_that_emulates_a_version_whose_native_sidecars_may_be_switched_off_counts_as_one_without(
    emulated: Version, support: NativeSupport, view: ClusterView
) -> None:
    nodes = Nodes()
    nodes.put(make_node("new", {}, NEW))
    view.update_nodes(nodes)
    view.update_server(ServerVersion("v1.34.4", emulated, emulates=True))

    assert support_of(view) is support


@pytest.mark.parametrize(("switch", "support"), [("on", NativeSupport.FORCED_ON), ("off", NativeSupport.FORCED_OFF)])
def test_a_switch_applies_whatever_was_read(
    catalogue: Catalogue, listener: RecordingClusterListener, switch: str, support: NativeSupport
) -> None:
    view = ClusterView(NativeSwitch(switch), DEFAULT_MINIMUM_KUBELET, catalogue, listener)
    view.update_server(server_of(1, 20))
    view.update_nodes(Nodes())

    assert view.current == Cluster(support, Version(1, 20))
    assert listener.changes == []


def test_a_listener_is_notified_of_injectors_when_they_have_changed(view: ClusterView, listener: RecordingClusterListener) -> None:
    istio = MutatingWebhook("istio-sidecar-injector", "rev.namespace.sidecar-injector.istio.io", "IfNeeded")
    for webhooks in ([], [istio], [istio], []):
        view.update_webhooks(webhooks)

    assert ["istio" in found for found in listener.injectors] == [True, False]
    assert view.current.are_injectors_known
    view.update_webhooks([istio])
    assert view.current.injectors == view.current.reinvoked != frozenset()


def test_an_injector_is_as_old_as_the_oldest_of_its_configurations_and_of_unknown_age_if_one_names_no_version(view: ClusterView) -> None:
    def of_version(version: str) -> MutatingWebhook:
        return MutatingWebhook(f"istio-{version}", "rev.namespace.sidecar-injector.istio.io", "IfNeeded", version)

    view.update_webhooks([of_version("1.26.8"), of_version("1.20.1")])
    assert view.current.injector_versions == {"istio": Version(1, 20, 1)}
    view.update_webhooks([of_version("1.26.8"), of_version("")])
    assert view.current.injector_versions == {}


def test_the_names_of_virtual_nodes_are_known(view: ClusterView) -> None:
    nodes = Nodes()
    nodes.put(make_node("aci", {"type": "virtual-kubelet"}, "v1.19.10-vk"))
    nodes.put(make_node("worker", {}, "v1.34.2"))
    view.update_nodes(nodes)

    assert view.current.virtual_nodes == frozenset({"aci"})
