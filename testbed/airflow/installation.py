"""Airflow on a node: applies its manifests and waits until it is healthy."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

import httpx
import yaml

from testbed.airflow.rest import AirflowApi
from testbed.images import catalogue
from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.api import JSONObject
    from testbed.node import NodeCluster


HERE: Final = Path(__file__).parent
NAMESPACE: Final = "airflow"
POD: Final = f"/api/v1/namespaces/{NAMESPACE}/pods/airflow"
PORT: Final = 8080
"""Airflow's own default."""

START_SECONDS: Final = 300
END_SECONDS: Final = 60

PROGRAMS: Final = ("migrate", "api-server", "dag-processor", "scheduler")
LOG_CHARACTERS: Final = 2000
"""Of each program's log, in the error of a failed start."""

IGNORED: Final = {".airflowignore": "..*\n"}
"""A mounted ConfigMap holds links to hidden folders, which Airflow's DAG discovery reports as a loop (its file_discovery.py)."""


class Airflow:
    """A running Airflow."""

    def __init__(self, node: NodeCluster, tasks: str, dags: Path) -> None:
        """Start it, and wait until it has read every DAG.

        Args:
            node: The node that it runs on.
            tasks: The namespace of the KubernetesExecutor's pods, which exists.
            dags: A folder of Python files.

        Raises:
            RuntimeError: It does not start, with its log; or a DAG has an error.
            ApiError: A manifest was refused.

        """
        self._cluster = node.api
        self._tasks = tasks
        self._image = node.load(catalogue.airflow())
        self._xcom_image = node.load(catalogue.task())
        self._dags = {path.name: path.read_text("utf-8") for path in dags.glob("*.py") if path.name != "__init__.py"}
        self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        service = self._cluster.apply(_service())["spec"]
        self._apply(address=service["clusterIP"])
        self.pages = f"http://{node.machine.address}:{service['ports'][0]['nodePort']}"
        self.api = AirflowApi(f"{self.pages}/api/v2")
        self._wait()

    def end(self) -> None:
        """Delete its pod and wait until it is gone; the pods of its tasks stay."""
        self.api.close()
        self._cluster.delete(POD)
        until(lambda: self._cluster.request("GET", POD).status_code == httpx.codes.NOT_FOUND, "Airflow's pod is gone", END_SECONDS)

    def log(self, program: str) -> str:
        """The log of ``migrate``, ``api-server``, ``dag-processor`` or ``scheduler``."""
        return self._cluster.request("GET", f"{POD}/log", container=program).text

    def _apply(self, address: str) -> None:
        facts = {"address": address, "port": str(PORT), "tasks": self._tasks, "xcom_image": self._xcom_image}
        environment = yaml.safe_load(_filled("environment.yaml", **facts))
        for namespace in (NAMESPACE, self._tasks):
            self._cluster.apply(_config_map(namespace, "airflow-environment", environment))
            self._cluster.apply(_config_map(namespace, "airflow-dags", {**self._dags, **IGNORED}))
        template = {"pod_template.yaml": _filled("pod_template.yaml", image=self._image)}
        self._cluster.apply(_config_map(NAMESPACE, "airflow-pod-template", template))
        for resource in yaml.safe_load_all(_filled("manifests.yaml", image=self._image, namespace=NAMESPACE, **_keys())):
            self._cluster.apply(resource)

    def _wait(self) -> None:
        try:
            until(self._is_ready, "Airflow is healthy and has read its DAGs", START_SECONDS)
        except TimeoutError as error:
            ends = [f"the end of {program}'s log:\n{self.log(program)[-LOG_CHARACTERS:]}" for program in PROGRAMS]
            raise RuntimeError("\n".join([str(error), *ends])) from error

    def _is_ready(self) -> bool:
        try:
            return self.api.is_healthy() and self.api.files_of_dags() == self._dags.keys()
        except (httpx.TransportError, httpx.HTTPStatusError):
            return False


def _service() -> JSONObject:
    """Airflow's API server: for task pods at the cluster IP, since the cluster has no DNS; for this machine at a port of the node."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api-server", "namespace": NAMESPACE},
        "spec": {"type": "NodePort", "selector": {"tier": "airflow", "component": "all"}, "ports": [{"name": "http", "port": PORT}]},
    }


def _config_map(namespace: str, name: str, data: Mapping[str, str]) -> JSONObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def _filled(name: str, **values: str) -> str:
    return Template((HERE / name).read_text("utf-8")).substitute(values)


def _keys() -> dict[str, str]:
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return {"fernet_key": fernet, "jwt_secret": secrets.token_hex(32), "secret_key": secrets.token_hex(32)}
