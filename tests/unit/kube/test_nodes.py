"""The nodes of a cluster, from a list and the events after it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_api_reader import NEW, OLD
from webhook.core.version import Version
from webhook.kube.nodes import UNREADABLE, ClusterNode, Nodes, make_node

NODES = {
    "as people write it": ("v1.29.3", {}, Version(1, 29, 3), False),
    "a vendor's": ("v1.31.2-eks-7f9249a", {}, Version(1, 31, 2), False),
    "none": ("", {}, UNREADABLE, False),
    "no version": ("newest", {}, UNREADABLE, False),
    "Fargate": ("v1.28.0", {"eks.amazonaws.com/compute-type": "fargate"}, Version(1, 28), True),
    "a virtual kubelet": ("v1.19.0-vk", {"type": "virtual-kubelet"}, Version(1, 19), True),
    "a managed node group": ("v1.30.0", {"eks.amazonaws.com/compute-type": "ec2", "type": "node"}, Version(1, 30), False),
}


@pytest.mark.parametrize(("kubelet", "labels", "version", "is_virtual"), NODES.values(), ids=NODES)
def test_the_kubelet_of_a_node_counts_unless_the_node_is_virtual(
    kubelet: str, labels: dict[str, str], version: Version, is_virtual: bool
) -> None:
    nodes = Nodes()
    nodes.put(make_node("a", labels, kubelet))

    assert nodes.oldest == (None if is_virtual else ClusterNode("a", version))
    assert nodes.virtual == is_virtual


NAMES = st.sampled_from("abcd")


KUBELETS = st.sampled_from([NEW, OLD, "v1.30.1", "v1.30.1+k3s1", "", "newest"])


LABELS = st.sampled_from([{}, {"type": "virtual-kubelet"}, {"zone": "a"}])


EVENTS = st.lists(st.tuples(NAMES, st.none() | st.tuples(KUBELETS, LABELS)), max_size=30)


def public_state(nodes: Nodes) -> tuple[int, int, ClusterNode | None]:
    """Everything that is public."""
    return len(nodes), nodes.virtual, nodes.oldest


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_events_leave_what_a_list_at_the_end_would_show(
    events: list[tuple[str, tuple[str, dict[str, str]] | None]], chance: Any
) -> None:
    followed = Nodes()
    there: dict[str, ClusterNode] = {}
    for name, state in events:
        before = public_state(followed), there.get(name)
        if state is None:
            there.pop(name, None)
            has_changed = followed.drop(name)
        else:
            there[name] = make_node(name, state[1], state[0])
            has_changed = followed.put(there[name])
        assert has_changed == (there.get(name) != before[1])
        assert has_changed or public_state(followed) == before[0]
    listed = Nodes()
    for name in chance.sample(sorted(there), len(there)):
        listed.put(there[name])

    assert public_state(followed) == public_state(listed)


@given(EVENTS)
def test_no_node_counts_as_younger_than_the_oldest(events: list[tuple[str, tuple[str, dict[str, str]] | None]]) -> None:
    nodes = Nodes()
    states = {name: state for name, state in events if state is not None}
    for name, (kubelet, labels) in states.items():
        nodes.put(make_node(name, labels, kubelet))
    versions = [make_node(name, labels, kubelet).kubelet for name, (kubelet, labels) in states.items() if "type" not in labels]

    assert (nodes.oldest.kubelet if nodes.oldest else None) == min(versions, default=None)
