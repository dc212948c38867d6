"""cert-manager on a node: its custom resources, and its controllers and cainjector as one process beside the API server.

Not shown here: what cert-manager's own webhook refuses or defaults, since it does not run; its rights, since it runs as an admin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries
from testbed.api import path_of
from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import JSONObject
    from testbed.node import NodeCluster


NAMESPACE: Final = "cert-manager"
"""The namespace of the Secrets of ClusterIssuers."""

API_VERSION: Final = "cert-manager.io/v1"
DEFINITIONS: Final = "deploy/crds"
READY_SECONDS: Final = 60

PROBE: Final = {"name": "probe", "namespace": NAMESPACE}
INJECTED: Final[JSONObject] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "cert-manager-probe", "annotations": {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/probe"}},
    "webhooks": [
        {
            "name": "probe.cert-manager.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            # It has no rules, so that it is never called.
            "clientConfig": {"url": "https://127.0.0.1/"},
        }
    ],
}
PROBES: Final[tuple[JSONObject, ...]] = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    {"apiVersion": API_VERSION, "kind": "Issuer", "metadata": PROBE, "spec": {"selfSigned": {}}},
    {
        "apiVersion": API_VERSION,
        "kind": "Certificate",
        "metadata": PROBE,
        "spec": {"isCA": True, "commonName": "probe", "secretName": "probe", "issuerRef": {"kind": "Issuer", "name": "probe"}},
    },
    INJECTED,
)
"""Objects by which the start notices that the controllers sign and the cainjector injects."""


class CertManager:
    """A running cert-manager."""

    def __init__(self, node: NodeCluster) -> None:
        """Install it, and wait until it signs and injects. RuntimeError, TimeoutError, ApiError."""
        self._api = node.api
        definitions = list(_definitions())
        for definition in definitions:
            self._api.apply(definition)
        # cainjector retries a kind that is not served yet only after ten seconds.
        until(lambda: all(map(self._is_served, definitions)), "the kinds of cert-manager are served", READY_SECONDS)
        for probe in PROBES:
            self._api.apply(probe)
        command = [
            str(binaries.find(binaries.CERT_MANAGER)),
            f"--kubeconfig={node.server.kubeconfig}",
            f"--cluster-resource-namespace={NAMESPACE}",
            "--v=2",
        ]
        self._process = node.machine.start("cert-manager", command)
        self._process.ready(self._injects, "signs and injects", READY_SECONDS)

    def end(self) -> None:
        """End the process; its custom resources and their objects stay."""
        self._process.end()

    def _is_served(self, definition: JSONObject) -> bool:
        spec = definition["spec"]
        path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        return self._api.request("GET", path).is_success

    def _injects(self) -> bool:
        (webhook,) = self._api.get(path_of(INJECTED))["webhooks"]
        return "caBundle" in webhook["clientConfig"]


def _definitions() -> Iterator[JSONObject]:
    folder = binaries.source_folder(binaries.CERT_MANAGER.module, binaries.CERT_MANAGER.requirement) / DEFINITIONS
    return (yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml")))
