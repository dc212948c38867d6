"""Istio on a node: its charts' objects, istiod as a process beside the API server, its proxy as an image."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries
from testbed.api import ApiError
from testbed.images import catalogue
from testbed.machine import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from testbed.api import JSONObject
    from testbed.images.archive import ImageRecipe
    from testbed.node import NodeCluster


NAMESPACE: Final = "istio-system"
INJECTED: Final = {"istio-injection": "enabled"}
"""The label of a namespace whose pods get a sidecar."""

LEGACY: Final = {"ENABLE_NATIVE_SIDECARS": "false"}
"""istiod's environment for sidecars as regular containers, as older versions inject them."""

REPLACED: Final = frozenset(
    {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "ValidatingWebhookConfiguration", "NetworkPolicy"}
)
"""Kinds of the chart that are for an istiod in a pod, or check Istio's own configuration: istiod is a process here."""

PLAIN_ENVOY: Final = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_AMBIENT": "false",
}
"""istiod's environment for an Envoy without Istio's own filters: it refuses a configuration that names them, and never becomes ready."""

CHARTS: Final = "manifests/charts"
BOOTSTRAP: Final = "tools/packaging/common/envoy_bootstrap.json"
READY_SECONDS: Final = 120

DISCOVERY_PORT: Final = 15012
INJECTION_PORT: Final = 15017


class Mesh:
    """A running Istio."""

    def __init__(self, node: NodeCluster, environment: Mapping[str, str]) -> None:
        """Install it, and wait until it injects. ``environment``: additional variables for istiod. RuntimeError, ApiError."""
        self._node = node
        self._address = node.machine.address
        self.proxy_image = node.load(proxy_image())
        node.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for resource in self._resources():
            node.api.apply(resource)
        self._process = node.machine.start("istiod", self._command(), {**self._environment(), **environment})
        self._process.ready(self._injects, "injects", READY_SECONDS)

    def end(self) -> None:
        """End istiod."""
        self._process.end()

    def _resources(self) -> Iterator[JSONObject]:
        """The objects to apply; custom resource definitions first, since others may use their kinds."""
        yield from _documents((_source() / CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text("utf-8"))
        values = self._node.machine.folder / "istio-values.yaml"
        values.write_text(yaml.safe_dump(self._values()))
        for chart in ("base", "istio-control/istio-discovery"):
            helm = binaries.find(binaries.HELM)
            rendered = run(helm, "template", "istio", _source() / CHARTS / chart, "--namespace", NAMESPACE, "--values", values)
            yield from (resource for resource in _documents(rendered) if resource["kind"] not in REPLACED)

    def _values(self) -> JSONObject:
        return {
            "global": {
                "istioNamespace": NAMESPACE,
                "proxy": {"image": self.proxy_image},
                "proxy_init": {"image": self.proxy_image},
                "caAddress": f"{self._address}:{DISCOVERY_PORT}",
            },
            "istiodRemote": {"enabled": False, "injectionURL": f"https://127.0.0.1:{INJECTION_PORT}/inject"},
            "telemetry": {"enabled": False},
            "meshConfig": {
                "enablePrometheusMerge": False,
                "defaultProviders": {},
                "defaultConfig": {"discoveryAddress": f"{self._address}:{DISCOVERY_PORT}"},
            },
        }

    def _command(self) -> list[str]:
        return [
            str(binaries.find(binaries.PILOT_DISCOVERY)),
            "discovery",
            f"--kubeconfig={self._node.server.kubeconfig}",
            "--httpAddr=:18080",
            "--grpcAddr=:15010",
            f"--secureGRPCAddr=:{DISCOVERY_PORT}",
            f"--httpsAddr=:{INJECTION_PORT}",
            "--monitoringAddr=:15014",
            "--ctrlz_port=0",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "POD_NAMESPACE": NAMESPACE,
            "POD_NAME": "istiod-host",
            "SERVICE_ACCOUNT": "istiod",
            "REVISION": "default",
            "CLUSTER_ID": "Kubernetes",
            "PILOT_CERT_PROVIDER": "istiod",
            "ISTIOD_CUSTOM_HOST": f"127.0.0.1,{self._address}",
            **PLAIN_ENVOY,
        }

    def _injects(self) -> bool:
        """Whether a pod of an injected namespace gets its sidecar; tries it in a namespace of its own."""
        self._node.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-probe", "labels": INJECTED}})
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "namespace": "istio-probe"},
            "spec": {"containers": [{"name": "probe", "image": self.proxy_image}]},
        }
        try:
            injected = self._node.api.create(pod, dryRun="All")["spec"]
        except ApiError:
            return False
        return any(container["name"] == "istio-proxy" for container in (*injected["containers"], *injected.get("initContainers", ())))


def proxy_image() -> ImageRecipe:
    """The image of the sidecar, and of the init container that redirects its traffic. NoGoError, BuildError."""
    return catalogue.proxy(binaries.find(binaries.PILOT_AGENT), _source() / BOOTSTRAP)


@cache
def _source() -> Path:
    return binaries.source_folder(binaries.PILOT_DISCOVERY.module, binaries.PILOT_DISCOVERY.requirement)


def _documents(text: str) -> Iterator[JSONObject]:
    return (document for document in yaml.safe_load_all(text) if document)
