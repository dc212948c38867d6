"""A test webhook with self-managed certificates: several replicas behind one address, as behind a Service.

It marks every pod. Each review is a new connection, to each ready replica in turn, so that no open connection hides a certificate that an
API server would reject.
"""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final

from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from certs.lifetimes import DEFAULT_LIFETIMES
from certs.manager import CertificateManager, CertificateStatus
from certs.store import ObjectNames
from testbed.manifest import installed
from tests.e2e.api_server.scripted_webhook import ADDRESS, Call, patched
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.support.quiet_server import QuietServer
from webhook.kube.client import KubernetesClient
from webhook.server.certificates_api import CertificatesApi
from webhook.server.reconcile_thread import ReconcileThread

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certs.api import KubernetesApi
    from certs.key_pair import KeyPair
    from certs.lifetimes import Lifetimes
    from certs.rotation import Action
    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


RECONCILE_SECONDS: Final = 0.25
"""Between two rounds of a certificate manager; short, so that the tests are fast."""

MARK: Final = "marked"
SECRET: Final = "authority"  # noqa: S105  the name of an object


def connect(kubeconfig: Path) -> CertificatesApi:
    """A client with its own connection pool."""
    configuration = Configuration()
    load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return CertificatesApi(KubernetesClient(configuration))


@dataclass
class Serving:
    """What a replica serves, and what its certificate manager reported."""

    context: ssl.SSLContext | None = None
    pairs: list[KeyPair] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)
    status: CertificateStatus = field(default_factory=CertificateStatus)

    def serve(self, pair: KeyPair) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair.load_into(context)
        self.pairs.append(pair)
        self.context = context

    def acted(self, action: Action) -> None:
        self.actions.append(action)

    def observed(self, status: CertificateStatus) -> None:
        self.status = status

    def reconciled(self) -> None:
        """Nothing to record."""

    def failed(self, problem: BaseException) -> None:
        self.problems.append(problem)


class SelfManagedWebhook:
    """The replicas, and the server at their common address."""

    def __init__(self, api: ApiClient, names: ObjectNames, connecting: Callable[[], KubernetesApi], lifetimes: Lifetimes) -> None:
        self.api, self.names = api, names
        self._connecting, self._lifetimes = connecting, lifetimes
        self.replicas: list[Serving] = []
        self._threads: list[ReconcileThread] = []
        self._turn = 0
        self._server = _ReplicasServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def configuration(self) -> JSONObject:
        """Its MutatingWebhookConfiguration, without a caBundle."""
        document = installed("MutatingWebhookConfiguration")
        document["metadata"]["name"] = self.names.configuration
        document["webhooks"][0] |= {
            "clientConfig": {"url": f"https://{ADDRESS}:{self._server.server_port}/review"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.names.namespace}},
            "timeoutSeconds": 5,
        }
        return document

    def start(self, replicas: int = 2) -> None:
        """Start further replicas, all at once."""
        for _ in range(replicas):
            serving = Serving()
            manager = CertificateManager(self._connecting, self.names, [ADDRESS], serving, self._lifetimes)
            self.replicas.append(serving)
            self._threads.append(ReconcileThread("certificates", manager.reconcile, serving.failed, RECONCILE_SECONDS))
        for thread in self._threads[-replicas:]:
            thread.start()

    def end(self) -> None:
        """End the replicas and the server."""
        for thread in self._threads:
            thread.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def create_pod(self) -> bool:
        """Create a pod (as a dry run); whether it is marked."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "task", "namespace": self.names.namespace, "labels": {"kubernetes_executor": "True"}},
            "spec": {"containers": [{"name": "base", "image": "image"}]},
        }
        made = self.api.create(pod, dryRun="All")
        return MARK in (made["metadata"].get("annotations") or {})

    def next_context(self) -> ssl.SSLContext:
        """The TLS context of the next ready replica. OSError: none is ready."""
        ready = [one.context for one in self.replicas if one.status.is_ready and one.context]
        if not ready:
            message = "no replica is ready"
            raise OSError(message)
        self._turn += 1
        return ready[self._turn % len(ready)]


@contextmanager
def self_managed_webhook(
    level: Level,
    lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    kubeconfig: Path | None = None,
    through: Callable[[KubernetesApi], KubernetesApi] = lambda api: api,
) -> Iterator[SelfManagedWebhook]:
    """A webhook without replicas and without a configuration, in a namespace of its own."""
    file = kubeconfig or level.server.kubeconfig
    with ExitStack() as ends:
        namespace = ends.enter_context(new_namespace(level.api, "certificates", **NOT_OPTED_IN))
        webhook = SelfManagedWebhook(level.api, ObjectNames(namespace, SECRET, namespace), lambda: through(connect(file)), lifetimes)
        ends.callback(level.api.delete, f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{namespace}")
        ends.callback(webhook.end)
        yield webhook


class _ReplicasServer(QuietServer):
    daemon_threads = True

    def __init__(self, webhook: SelfManagedWebhook) -> None:
        super().__init__((ADDRESS, 0), _MarkingHandler)
        self.webhook = webhook

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        try:
            context = self.webhook.next_context()
        except OSError:
            connection.close()
            raise
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


class _MarkingHandler(BaseHTTPRequestHandler):
    server: _ReplicasServer

    def do_POST(self) -> None:
        """Mark the pod."""
        call = Call(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))), 0)
        reply = patched(call, [{"op": "add", "path": "/metadata/annotations", "value": {MARK: "true"}}])
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
