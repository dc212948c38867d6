"""The webhook installed as an operator does it: its image on the node, a release of the chart or the manifest, and its objects."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from certs.bundle import read_bundle
from manifests.generate import INSTALL, NAMESPACE
from manifests.rendering import CHART, NAME, helm
from testbed import binaries
from testbed.api import ApiError
from testbed.images.webhook_image import REPOSITORY
from testbed.wait import until
from tests.e2e.registration import is_patched_in
from webhook import __version__

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping

    from testbed.levels import NodeLevel
    from tests.support.json_object import JSONObject

    Bundle = tuple[x509.Certificate, ...]

DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAME}/deployments/{NAME}"
CONFIGURATION: Final = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
SECRET: Final = f"/api/v1/namespaces/{NAME}/secrets/{NAME}-authority"
SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAME}/endpointslices"
PODS: Final = f"/api/v1/namespaces/{NAME}/pods"
PORT: Final = 8443
SECONDS: Final = 120
"""Until two replicas are ready, or gone, on a busy machine; a drain alone takes 10 s."""

TRANSIENT: Final = frozenset({"events", "componentstatuses"})
"""Kinds that do not count as left behind: events expire by themselves; a component's status is no stored object."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A cluster to install the webhook on; nothing is installed at first.

    Args:
        level: A node on which no other webhook of this project is registered.
        image: The image of the webhook's pods.

    """

    level: NodeLevel
    image: str

    def make_namespace(self, labels: Mapping[str, str] | None = None) -> None:
        """Create the webhook's namespace by its manifest, with these labels added. CalledProcessError, ApiError."""
        self.kubectl("apply", "--filename", str(NAMESPACE))
        self.level.api.patch(f"/api/v1/namespaces/{NAME}", {"metadata": {"labels": labels or {}}})

    @contextmanager
    def installed(self, replicas: int = 2, namespace_labels: Mapping[str, str] | None = None, **values: object) -> Iterator[Installation]:
        """A release of the chart with these values, its replicas ready; removed afterwards. RenderingError, TimeoutError."""
        self.make_namespace(namespace_labels)
        try:
            self.helm("install", replicas=replicas, **values)
            self.wait_until_ready(replicas)
            yield self
            self.helm("uninstall")
        finally:
            # Cluster-scoped objects would stay where the uninstall was not reached.
            self.kubectl("delete", "--ignore-not-found", "--filename=-", given=self.manifest())

    def helm(self, verb: str, *arguments: str, **values: object) -> str:
        """Run Helm: install, upgrade, rollback or uninstall; its output. RenderingError."""
        chart = (CHART, "--values", "-") if verb in {"install", "upgrade"} else ()
        where = ("--namespace", NAME, "--kubeconfig", self.level.server.kubeconfig)
        repository, _, tag = self.image.rpartition(":")
        given = {"image": {"registry": "", "repository": repository, "tag": tag}, **values}
        return helm(verb, NAME, *chart, *arguments, *where, given=json.dumps(given))

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl; its output. CalledProcessError."""
        command = [str(binaries.find(binaries.KUBECTL)), f"--kubeconfig={self.level.server.kubeconfig}", *arguments]
        return subprocess.run(command, input=given, text=True, check=True, capture_output=True, timeout=SECONDS).stdout

    def manifest(self) -> str:
        """install.yaml, with the image that is on the node."""
        return INSTALL.read_text("utf-8").replace(f"{REPOSITORY}:{__version__}", self.image)

    def wait_until_ready(self, replicas: int = 2) -> None:
        """Wait until the Deployment's present version has this many ready replicas, and no other pod is left. TimeoutError."""
        until(lambda: self.is_rolled_out(DEPLOYMENT, replicas), f"{replicas} replicas are ready", SECONDS)
        until(lambda: len(self.pods()) == replicas, "no other pod is left", SECONDS)

    def start_anew(self, replicas: int, secret: Mapping[str, str] | None) -> None:
        """Restart the replicas with this data in the authority's Secret (None: no Secret) and no caBundle. TimeoutError."""
        api = self.level.api
        api.patch(DEPLOYMENT, {"spec": {"replicas": 0}})
        until(lambda: not self.pods(), "no replica is left", SECONDS)
        api.delete(SECRET)
        if secret is not None:
            metadata = {"name": f"{NAME}-authority", "namespace": NAME}
            api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": dict(secret)})
        configuration = api.get(CONFIGURATION)
        configuration["webhooks"][0]["clientConfig"].pop("caBundle", None)
        api.replace(configuration)
        api.patch(DEPLOYMENT, {"spec": {"replicas": replicas}})

    def patches(self, namespace: str) -> bool:
        """Whether a task's pod is patched in a namespace."""
        return is_patched_in(namespace, self.level.api)

    def kill_one(self, with_signal: signal.Signals) -> None:
        """Signal the webhook's process in one of its pods, without the kubelet. RuntimeError."""
        self.level.node.machine.run("kill", f"-{with_signal.value}", self._processes()[0])

    def signal_all(self, with_signal: signal.Signals) -> None:
        """The same in every pod. RuntimeError."""
        self.level.node.machine.run("kill", f"-{with_signal.value}", *self._processes())

    def _processes(self) -> list[str]:
        """The process ids of its containers in the node's PID namespace."""
        table = [line.split() for line in self.level.node.ctr("tasks", "list").splitlines()[1:]]
        ids = {pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://") for pod in self.pods()}
        return [process for container, process, *_ in table if container in ids]

    def ready_addresses(self) -> int:
        """The number of pods that its Service sends connections to."""
        slices = self.level.api.get(f"{SLICES}?labelSelector=kubernetes.io/service-name={NAME}")["items"]
        return sum(bool(end["conditions"]["ready"]) for one in slices for end in one["endpoints"] or ())

    def pods(self) -> list[JSONObject]:
        """The pods of its namespace."""
        found: list[JSONObject] = self.level.api.get(PODS)["items"]
        return found

    def logs(self) -> list[JSONObject]:
        """The log lines of all present replicas."""
        texts = [self.level.api.request("GET", f"{PODS}/{pod['metadata']['name']}/log").text for pod in self.pods()]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def webhook(self) -> JSONObject:
        """The webhook in the registered configuration."""
        (found,) = self.level.api.get(CONFIGURATION)["webhooks"]
        return dict(found)

    def bundle(self) -> Bundle:
        """The certificates of the registered caBundle."""
        return read_bundle(base64.b64decode(self.webhook()["clientConfig"].get("caBundle", "")))

    def served(self) -> list[x509.Certificate]:
        """The certificate that each of its pods serves now. RuntimeError: one does not serve."""
        script = f"import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], {PORT})))"
        addresses = [pod["status"]["podIP"] for pod in self.pods()]
        pems = [self.level.node.machine.run(sys.executable, "-c", script, address) for address in addresses]
        return [x509.load_pem_x509_certificate(pem.encode()) for pem in pems]

    def is_rolled_out(self, path: str, replicas: int) -> bool:
        """Whether the present version of the Deployment at this path has so many ready replicas. ApiError."""
        deployment = self.level.api.get(path)
        status = deployment["status"]
        counted = [status.get(count) for count in ("replicas", "updatedReplicas", "availableReplicas")]
        return status.get("observedGeneration") == deployment["metadata"]["generation"] and counted == [replicas] * 3

    def wait_until_only(self, before: set[str]) -> None:
        """Wait until no other objects than these are left. AssertionError names the others."""
        with suppress(TimeoutError):
            until(lambda: self.objects() <= before, "nothing else is left", SECONDS)
        left = sorted(self.objects() - before)
        assert not left, left

    def objects(self) -> set[str]:
        """The paths of all objects of the cluster, of every kind that can be listed but the `TRANSIENT` ones."""
        groups = self.level.api.get("/apis")["groups"]
        versions = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        return {path for version in versions for path in self._objects_of(version)}

    def _objects_of(self, version: str) -> list[str]:
        kinds = [kind["name"] for kind in self.level.api.get(version)["resources"] if "list" in kind["verbs"]]
        return [
            f"{version}/{kind}/{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
            for kind in kinds
            if kind not in TRANSIENT
            for one in self._listed(f"{version}/{kind}")
        ]

    def _listed(self, path: str) -> list[JSONObject]:
        try:
            found: list[JSONObject] | None = self.level.api.get(path)["items"]
        except ApiError as error:
            if error.code != 404:
                raise
            return []
        return found or []
