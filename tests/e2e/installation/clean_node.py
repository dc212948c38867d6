"""A node without the webhook, on which tests install it and compare the cluster's objects before and after."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed import binaries
from testbed.node import NAME
from testbed.wait import until
from tests.e2e.levels import bare_node_level, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel

LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NAME}"
LEASE_SECONDS: Final = 60


@contextmanager
def clean_node_level(name: str) -> Iterator[NodeLevel]:
    """A node that has created every object that it creates by itself."""
    require(binaries.HELM, binaries.KUBECTL)
    with bare_node_level(name) as level:
        # The kubelet creates its lease some seconds after its node is ready: that is the last of its objects.
        until(lambda: level.api.request("GET", LEASE).is_success, "the node has its lease", LEASE_SECONDS)
        yield level
