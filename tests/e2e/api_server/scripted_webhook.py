"""A test webhook that answers each review as the test decides, for answers that the real webhook never gives.

It shows what an API server does with an answer, and nothing about the real webhook. HTTPS by Python's own threading server.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from certs.authority import make_authority, sign_leaf
from testbed.webhook import client_config
from tests.support.quiet_server import QuietServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from certs.authority import Issued
    from tests.support.json_object import JSONObject


ADDRESS: Final = "127.0.0.1"
API_VERSION: Final = "admission.k8s.io/v1"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """An HTTP reply.

    Args:
        body: Its body.
        status: The HTTP status.
        headers: Its headers.

    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


@dataclass(frozen=True, slots=True)
class Call:
    """A review that was received.

    Args:
        path: The path and query of the request.
        review: The AdmissionReview.
        at: The time (CLOCK_MONOTONIC).

    """

    path: str
    review: JSONObject
    at: float

    @property
    def pod(self) -> JSONObject:
        """The pod under review."""
        pod: JSONObject = self.review["request"]["object"]
        return pod


def allowed(call: Call, **response: object) -> ScriptedReply:
    """The review with a response: allowed, unless its fields say something else. A field of None is left out."""
    fields = {"uid": call.review["request"]["uid"], "allowed": True, **response}
    answer = {name: value for name, value in fields.items() if value is not None}
    return ScriptedReply(json.dumps({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": answer}).encode())


def patched(call: Call, operations: object, **response: object) -> ScriptedReply:
    """Allowed, with these operations as its patch."""
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return allowed(call, patch=patch, **{"patchType": "JSONPatch", **response})


class ScriptedWebhook:
    """Serves until its ``with`` ends. ``answer`` may be replaced at any time."""

    def __init__(self, answer: Callable[[Call], ScriptedReply] = allowed) -> None:
        """Listen on a free port, with a certificate of a throwaway authority."""
        authority = make_authority(datetime.now(UTC), "scripted")
        self.answer = answer
        self.calls: list[Call] = []
        self._server = _Server(self, _context(sign_leaf(authority, [ADDRESS], datetime.now(UTC))))
        self.client_config = client_config(f"https://{ADDRESS}:{self._server.server_port}/review", authority.certificate_pem)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening; every answer that was begun is sent."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def calls_for(self, name: str) -> list[Call]:
        """The reviews of the pod of this name, in their order."""
        return [call for call in self.calls if call.pod["metadata"].get("name") == name]


class _Server(QuietServer):
    """A thread for each connection, and a connection for each review."""

    daemon_threads = False

    def __init__(self, webhook: ScriptedWebhook, context: ssl.SSLContext) -> None:
        super().__init__((ADDRESS, 0), _Handler)
        self.webhook = webhook
        # The connection's own thread does the handshake, so that a client which rejects the certificate does not block others.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Answer one review."""
        webhook = self.server.webhook
        call = Call(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))), time.monotonic())
        webhook.calls.append(call)
        reply = webhook.answer(call)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _context(leaf: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        pem = Path(folder, "pair.pem")
        pem.write_bytes(leaf.certificate_pem + leaf.key_pem)
        context.load_cert_chain(pem)
    return context
