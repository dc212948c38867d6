"""The queries of the dashboard, and a load under which they find data: a real Prometheus reads real services and a real reaper."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from manifests.generate import ALERTS as RULES
from manifests.generate import DASHBOARD
from tests.service.reviews import injected_pod, new_uid
from tests.service.running_service import running_service
from tests.support.fake_lease_api import FakeLeaseApi
from tests.support.fake_task_cluster import PortListener, end_of, fake_task_cluster
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.pods import review_of
from tests.support.prometheus_server import PrometheusServer, prometheus_server
from tests.support.reaper_service import reaper_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.service.running_service import RunningService
    from tests.support.fake_task_cluster import FakeTaskCluster
    from tests.support.json_object import JSONObject

FINER: Final = {"$namespace": ".*", ":1m]": ":1s]", ") / 60": ") / 3600"}
"""What stands for the choice of namespaces, and a finer step, so that a subquery has one within a second: an hour has 3600 of these."""


def panels() -> list[JSONObject]:
    """The dashboard's panels and rows, in their order."""
    return list(json.loads(DASHBOARD.read_text("utf-8"))["panels"])


def filled(expression: str, variables: Mapping[str, str]) -> str:
    """A query of the dashboard with these values for Grafana's variables."""
    for variable, value in {**variables, **FINER}.items():
        expression = expression.replace(variable, value)
    return expression


class BoardLoad:
    """Pods of each kind, reviewed by the service and ended by the reaper."""

    def __init__(self, service: RunningService, auditing: RunningService, cluster: FakeTaskCluster) -> None:
        """Begin with a pod that nothing ends; ``auditing`` has the setting ``enforcement: audit``."""
        self._service, self._auditing, self._cluster, self._numbers = service, auditing, cluster, count()
        self._add("stuck", PortListener(200))

    def add(self) -> None:
        """One more of each."""
        wrapped, left, invalid = injected_pod(), injected_pod(), injected_pod()
        left["spec"]["hostNetwork"] = True
        invalid["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "maybe"
        for pod in (wrapped, left, invalid):
            self._service.post(review_of(pod, uid=new_uid()))
        self._auditing.post(review_of(wrapped, uid=new_uid()))
        self._add(f"sales-{next(self._numbers)}", PortListener(200, end_of("istio-proxy")))

    def _add(self, name: str, listener: PortListener) -> None:
        self._cluster.listeners[name, 15020] = listener
        pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
        pod["metadata"]["name"] = name
        self._cluster.add(pod, uid=f"uid-of-{name}")


class LoadedBoard(NamedTuple):
    """The server that reads them, and what loads them."""

    server: PrometheusServer
    load: BoardLoad


@contextmanager
def loaded_board(folder: Path) -> Iterator[LoadedBoard]:
    """Services, of which one is not ready and one audits, a reaper, and a Prometheus that reads all of them every second."""
    kubeconfig = folder / "kubeconfig"
    # Nobody listens there: how old the cluster's state is shows all the same.
    kubeconfig.write_text(kubeconfig_for("http://127.0.0.1:1", "here"))
    folders = [folder / name for name in ("files", "self-managed", "audit", "reaper", "prometheus")]
    for one in folders:
        one.mkdir()
    with (
        fake_task_cluster() as cluster,
        running_service(folders[0], kubeconfig=kubeconfig) as service,
        running_service(folders[1], kubeconfig=kubeconfig, certificates="self-managed", service_namespace="webhook") as unready,
        running_service(folders[2], kubeconfig=kubeconfig, enforcement="audit") as auditing,
    ):
        cluster.lease = FakeLeaseApi("default", "airflow-sidecar-webhook-reaper")
        load = BoardLoad(service, auditing, cluster)
        with reaper_service(cluster, folders[3]) as reaper:
            targets = {"service": [service.health_port, unready.health_port, auditing.health_port], "reaper": [reaper.health_port]}
            with prometheus_server(targets, RULES, folders[4]) as server:
                yield LoadedBoard(server, load)
