"""The product as an operator has it: its image on the node, a release of the chart or the manifest, and what is there of it."""

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
from testbed.images.webhook_image import REPOSITORY, webhook_image
from testbed.wait import until
from tests.e2e.registration import is_patched_in
from webhook import __version__

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping

    from testbed.levels import NodeLevel
    from testbed.node import NodeCluster
    from tests.support.json_object import JSONObject

    Bundle = tuple[x509.Certificate, ...]

DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAME}/deployments/{NAME}"
CONFIGURATION: Final = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
SECRET: Final = f"/api/v1/namespaces/{NAME}/secrets/{NAME}-authority"
SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAME}/endpointslices"
PODS: Final = f"/api/v1/namespaces/{NAME}/pods"
PORT: Final = 8443
SECONDS: Final = 120
"""For two replicas to be ready or gone on a busy machine; a drain alone takes 10 s of it."""

PASSING: Final = frozenset({"events", "componentstatuses"})
"""Events tell what was, and expire by themselves; a component's status is no object."""


def load_webhook_image(node: NodeCluster) -> str:
    """Have the image of the files as they are now on the node; the name by which a pod asks for it. RuntimeError, ImageError."""
    own = webhook_image()
    if own.reference not in node.ctr("images", "list", "--quiet").split():
        node.ctr("images", "import", own.archive())
    return own.reference


@dataclass(frozen=True, slots=True)
class Installation:
    """One place for the product, with nothing installed at first.

    Args:
        level: A node on which no other webhook of ours is registered.
        image: What its pods run.

    """

    level: NodeLevel
    image: str

    def make_namespace(self, labels: Mapping[str, str] | None = None) -> None:
        """As its manifest has it, but for these labels. CalledProcessError, ApiError."""
        self.kubectl("apply", "--filename", str(NAMESPACE))
        self.level.api.patch(f"/api/v1/namespaces/{NAME}", {"metadata": {"labels": labels or {}}})

    @contextmanager
    def installed(self, replicas: int = 2, namespace_labels: Mapping[str, str] | None = None, **values: object) -> Iterator[Installation]:
        """A release of the chart with these values, its replicas ready; afterwards nothing of it is left. RenderingError, TimeoutError."""
        self.make_namespace(namespace_labels)
        try:
            self.helm("install", replicas=replicas, **values)
            self.wait_until_ready(replicas)
            yield self
            self.helm("uninstall")
        finally:
            # The cluster's objects are not the namespace's: they would stay where an uninstall was not reached.
            self.kubectl("delete", "--ignore-not-found", "--filename=-", given=self.manifest())

    def helm(self, verb: str, *arguments: str, **values: object) -> str:
        """Install, upgrade, roll back or uninstall; what is printed. RenderingError."""
        chart = (CHART, "--values", "-") if verb in {"install", "upgrade"} else ()
        where = ("--namespace", NAME, "--kubeconfig", self.level.server.kubeconfig)
        repository, _, tag = self.image.rpartition(":")
        given = {"image": {"repository": repository, "tag": tag}, **values}
        return helm(verb, NAME, *chart, *arguments, *where, given=json.dumps(given))

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What a command of kubectl's prints. CalledProcessError."""
        command = [str(binaries.find(binaries.KUBECTL)), f"--kubeconfig={self.level.server.kubeconfig}", *arguments]
        return subprocess.run(command, input=given, text=True, check=True, capture_output=True, timeout=SECONDS).stdout

    def manifest(self) -> str:
        """install.yaml with the image in it that the node has."""
        return INSTALL.read_text("utf-8").replace(f"{REPOSITORY}:{__version__}", self.image)

    def wait_until_ready(self, replicas: int = 2) -> None:
        """Until so many replicas as it is now asked for are ready, and no other is left. TimeoutError."""
        until(lambda: self._is_rolled_out(replicas), f"{replicas} replicas are ready", SECONDS)
        until(lambda: len(self.pods()) == replicas, "no other pod is left", SECONDS)

    def start_anew(self, replicas: int, secret: Mapping[str, str] | None) -> None:
        """Start replicas that find this in the authority's Secret, and no caBundle. None: there is no Secret. TimeoutError."""
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
        """Whether a task's pod is patched there."""
        return is_patched_in(namespace, self.level.api)

    def kill_one(self, with_signal: signal.Signals) -> None:
        """Signal the service in one of its pods, past the kubelet. RuntimeError."""
        self.level.node.machine.run("kill", f"-{with_signal.value}", self._processes()[0])

    def signal_all(self, with_signal: signal.Signals) -> None:
        """The same in every pod. RuntimeError."""
        self.level.node.machine.run("kill", f"-{with_signal.value}", *self._processes())

    def _processes(self) -> list[str]:
        """The process ids of its containers, as containerd counts."""
        table = [line.split() for line in self.level.node.ctr("tasks", "list").splitlines()[1:]]
        ids = {pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://") for pod in self.pods()}
        return [process for container, process, *_ in table if container in ids]

    def ready_addresses(self) -> int:
        """How many pods its Service sends connections to."""
        slices = self.level.api.get(f"{SLICES}?labelSelector=kubernetes.io/service-name={NAME}")["items"]
        return sum(bool(end["conditions"]["ready"]) for one in slices for end in one["endpoints"] or ())

    def pods(self) -> list[JSONObject]:
        """Those of its namespace."""
        found: list[JSONObject] = self.level.api.get(PODS)["items"]
        return found

    def logs(self) -> list[JSONObject]:
        """What all replicas that are there have logged."""
        texts = [self.level.api.request("GET", f"{PODS}/{pod['metadata']['name']}/log").text for pod in self.pods()]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def hook(self) -> JSONObject:
        """The webhook as the API server knows it."""
        (hook,) = self.level.api.get(CONFIGURATION)["webhooks"]
        found: JSONObject = hook
        return found

    def bundle(self) -> Bundle:
        """The authorities that the API server is told to trust."""
        return read_bundle(base64.b64decode(self.hook()["clientConfig"].get("caBundle", "")))

    def served(self) -> list[x509.Certificate]:
        """What each of its pods serves to whoever connects now. RuntimeError: one does not."""
        script = f"import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], {PORT})))"
        addresses = [pod["status"]["podIP"] for pod in self.pods()]
        told = [self.level.node.machine.run(sys.executable, "-c", script, address) for address in addresses]
        return [x509.load_pem_x509_certificate(pem.encode()) for pem in told]

    def _is_rolled_out(self, replicas: int) -> bool:
        deployment = self.level.api.get(DEPLOYMENT)
        status = deployment["status"]
        counted = [status.get(count) for count in ("replicas", "updatedReplicas", "availableReplicas")]
        return status.get("observedGeneration") == deployment["metadata"]["generation"] and counted == [replicas] * 3

    def wait_until_only(self, before: set[str]) -> None:
        """Until there is nothing but these objects. AssertionError names what stays."""
        with suppress(TimeoutError):
            until(lambda: self.objects() <= before, "nothing else is left", SECONDS)
        left = sorted(self.objects() - before)
        assert not left, left

    def objects(self) -> set[str]:
        """The paths of all objects that the cluster has, of every kind that can be listed, but for those that pass by themselves."""
        groups = self.level.api.get("/apis")["groups"]
        versions = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        return {path for version in versions for path in self._objects_of(version)}

    def _objects_of(self, version: str) -> list[str]:
        kinds = [kind["name"] for kind in self.level.api.get(version)["resources"] if "list" in kind["verbs"]]
        return [
            f"{version}/{kind}/{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
            for kind in kinds
            if kind not in PASSING
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
