"""The levels of the test bed, each on top of the one before, as context managers; each ends everything that it started."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed import binaries
from testbed.airflow.installation import Airflow
from testbed.api_server import ALONE, ApiServer
from testbed.host import Host
from testbed.machine import Machine
from testbed.mesh import Mesh
from testbed.node import NodeCluster
from testbed.recorder import Recorder
from testbed.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from testbed.api import ApiClient
    from testbed.binaries import Program
    from testbed.place import Place


@dataclass(frozen=True, slots=True)
class Level:
    """An API server, and a webhook process that is not registered with it yet.

    Args:
        place: The place of its processes and files.
        server: The API server.
        webhook: The webhook.

    """

    place: Place
    server: ApiServer
    webhook: Webhook

    @property
    def api(self) -> ApiClient:
        """An admin's client."""
        return self.server.api


@dataclass(frozen=True, slots=True)
class NodeLevel(Level):
    """A cluster of one node.

    Args:
        node: The node.
        recorder: Records every state of its pods.

    """

    node: NodeCluster
    recorder: Recorder


OF_API_SERVER: Final = (binaries.KUBE_APISERVER, binaries.ETCD)
OF_NODE: Final = (
    binaries.KUBE_CONTROLLER_MANAGER,
    binaries.KUBE_SCHEDULER,
    binaries.KUBELET,
    binaries.KUBE_PROXY,
)
OF_MESH: Final = (binaries.PILOT_DISCOVERY, binaries.PILOT_AGENT, binaries.HELM)
"""The programs of each level, without those of the level below."""


@contextmanager
def api_server(options: Sequence[str] = (), program: Program = binaries.KUBE_APISERVER) -> Iterator[Level]:
    """An API server alone. RuntimeError with a log: it does not start."""
    with ExitStack() as ends:
        place = Host()
        ends.callback(place.end)
        server = ApiServer(place, (*ALONE, *options), program)
        ends.callback(server.end)
        webhook = Webhook(place)
        ends.callback(webhook.end)
        yield Level(place, server, webhook)


@contextmanager
def node() -> Iterator[NodeLevel]:
    """A node. RuntimeError with a log: it does not start."""
    with ExitStack() as ends:
        machine = Machine()
        ends.callback(machine.end)
        one = NodeCluster(machine)
        ends.callback(one.end)
        webhook = Webhook(machine)
        ends.callback(webhook.end)
        yield NodeLevel(machine, one.server, webhook, one, Recorder(one.api))


@contextmanager
def mesh(on: NodeCluster, environment: Mapping[str, str]) -> Iterator[Mesh]:
    """Istio on a node; ``environment`` is istiod's. RuntimeError with a log: it does not inject."""
    with ExitStack() as ends:
        istio = Mesh(on, environment)
        ends.callback(istio.end)
        yield istio


@contextmanager
def airflow(on: NodeCluster, tasks: str, dags: Path) -> Iterator[Airflow]:
    """Airflow on a node; ``tasks`` is the namespace of its tasks. RuntimeError with a log: it does not become healthy."""
    with ExitStack() as ends:
        installed = Airflow(on, tasks, dags)
        ends.callback(installed.end)
        yield installed
