"""etcd and kube-apiserver."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import httpx

from testbed import binaries
from testbed.api import ApiClient
from testbed.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.binaries import Program
    from testbed.place import Place

SERVICE_ADDRESSES: Final = "10.96.0.0/16"
FIRST_SERVICE: Final = "10.96.0.1"
"""The Service ``kubernetes``, which is always the first of the range."""

OLD: Final = ("--emulated-version=1.32", "--feature-gates=SidecarContainers=false")
"""A cluster without native sidecars, from the same program: it drops ``restartPolicy`` of an init container without a warning."""

ALONE: Final = ("--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none")
"""Options of an API server without a controller manager and on the loopback.

Without a controller manager no namespace gets its service account, and the ServiceAccount plugin would refuse every pod.
The Service ``kubernetes`` may not have endpoints on the loopback: since 1.37 the server does not start with them.
"""

ANY_KEY: Final = "AA=="
"""A key for a read of the store that is about its revision alone; base64, as in all of etcd's JSON."""


class ApiServer:
    """A running API server and its store, empty at the start."""

    def __init__(self, place: Place, options: Sequence[str], program: Program = binaries.KUBE_APISERVER) -> None:
        """Start both and wait until the API server is ready. RuntimeError with the end of its log: it does not become ready."""
        self.credentials = Credentials(place.folder / "credentials")
        self.credentials.server("kube-apiserver", [place.address, FIRST_SERVICE, "127.0.0.1", "kubernetes.default.svc"])
        self.credentials.client("kube-apiserver-kubelet-client", "system:masters")
        self._place = place
        self._etcd_port, self._port = place.port(2379), place.port(6443)
        self.server = f"https://{place.address}:{self._port}"
        self.kubeconfig = self.credentials.kubeconfig(self.server)
        self.api = ApiClient(self.server, self.credentials.tls())
        self._command: list[str | Path] = [binaries.find(program), *self._flags(), *options]
        self._etcd = place.start("etcd", self._etcd_command())
        try:
            self.start()
        except RuntimeError:
            self.end()
            raise

    def start(self) -> None:
        """Start the API server, for the first time or again; its objects are still in etcd."""
        self._process = self._place.start("kube-apiserver", self._command)
        self._process.ready(self._ready, "is ready")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the API server; etcd runs on. After SIGTERM it waits for open watches to end."""
        self._process.end(with_signal)

    def forget_history(self) -> None:
        """Compact the store, which happens by itself every five minutes: no state of before can be read any more. httpx.HTTPError."""
        store = f"http://127.0.0.1:{self._etcd_port}/v3/kv"
        with httpx.Client(trust_env=False) as client:
            revision = client.post(f"{store}/range", json={"key": ANY_KEY}).raise_for_status().json()["header"]["revision"]
            client.post(f"{store}/compaction", json={"revision": revision}).raise_for_status()

    @property
    def pid(self) -> int:
        """The process id of the API server."""
        return self._process.pid

    def end(self) -> None:
        """End both. SIGKILL, since after SIGTERM the API server waits for open watches to end."""
        self.api.close()
        self._process.end(signal.SIGKILL)
        self._etcd.end()

    def _ready(self) -> bool:
        try:
            return self.api.request("GET", "/readyz").is_success and self.api.request("GET", "/api/v1/namespaces/default").is_success
        except httpx.TransportError:
            return False

    def _etcd_command(self) -> list[str]:
        port, peer = self._etcd_port, self._place.port(2380)
        own = "http://127.0.0.1"
        return [
            str(binaries.find(binaries.ETCD)),
            f"--data-dir={self._place.folder / 'etcd'}",
            # This store need not survive a power cut, and a sync to disk for each write would slow every test.
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={own}:{port}",
            f"--advertise-client-urls={own}:{port}",
            f"--listen-peer-urls={own}:{peer}",
            f"--initial-advertise-peer-urls={own}:{peer}",
            f"--initial-cluster=default={own}:{peer}",
        ]

    def _flags(self) -> list[str]:
        files = self.credentials
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self._place.address}",
            f"--advertise-address={self._place.address}",
            f"--secure-port={self._port}",
            f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={files.authority_file}",
            f"--tls-cert-file={files.certificate_file('kube-apiserver')}",
            f"--tls-private-key-file={files.key_file('kube-apiserver')}",
            f"--kubelet-certificate-authority={files.authority_file}",
            f"--kubelet-client-certificate={files.certificate_file('kube-apiserver-kubelet-client')}",
            f"--kubelet-client-key={files.key_file('kube-apiserver-kubelet-client')}",
            # This machine's resolver does not know the node's name.
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files.service_account_key_file}",
            f"--service-account-signing-key-file={files.service_account_key_file}",
            "--allow-privileged",
        ]
