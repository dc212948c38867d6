"""Servers that tasks call, each a pod outside the mesh behind a Service."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.namespaces import new_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import NodeLevel
    from tests.support.json_object import JSONObject


READY_SECONDS: Final = 90


@contextmanager
def serve(node: NodeLevel, name: str, container: JSONObject, port: int) -> Iterator[str]:
    """A server in a namespace of its own; its URL, by address, since these clusters have no DNS. TimeoutError: it does not get ready."""
    with new_namespace(node.api, name) as namespace:
        wait_until_ready(node.api, namespace, SERVICE_ACCOUNT)
        address = _create(node.api, namespace, name, container, port)
        until(lambda: _has_endpoint(node.api, namespace), f"the Service of {name} has an endpoint", READY_SECONDS)
        yield f"http://{address}:{port}"
        node.api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", gracePeriodSeconds="1")
        node.recorder.first(namespace, name, lambda moment: moment.gone, "is gone", READY_SECONDS)


def _create(api: ApiClient, namespace: str, name: str, container: JSONObject, port: int) -> str:
    labels = {"server": name}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    probe = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    spec = {"containers": [{"name": name, "readinessProbe": probe, **container}]}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    # By the port's name Istio knows the protocol, and its proxy answers for what it forwards.
    service = {"selector": labels, "ports": [{"name": "http", "port": port}]}
    address: str = api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})["spec"]["clusterIP"]
    return address


def _has_endpoint(api: ApiClient, namespace: str) -> bool:
    slices = api.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")["items"]
    return any(endpoint["conditions"]["ready"] for one in slices for endpoint in one["endpoints"] or ())
