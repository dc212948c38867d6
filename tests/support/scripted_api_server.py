"""A fake API server over HTTP, for what a real one cannot do."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.quiet_server import QuietServer
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.json_object import JSONObject

STOP_POLL_SECONDS: Final = 0.02
"""How often the thread that accepts checks for the end; each test waits for that."""

WATCH_SECONDS: Final = 60
"""How long a watch stays open at most."""


class ScriptedApiServer:
    """A fake API server for what a real one cannot do: old versions, broken streams. It shows nothing about real ones."""

    def __init__(self) -> None:
        self.version: JSONObject = {"gitVersion": "v1.34.2"}
        self.nodes: list[JSONObject] = []
        self.objects: dict[str, JSONObject] = {}
        """More objects and lists, by their paths."""
        self.texts: dict[str, str] = {}
        """Responses that are no JSON, by their paths."""
        self.events: list[bytes] = []
        """What a watch sends before it goes silent."""
        self.selectors: list[str] = []
        """The label selectors of the requests."""
        self.annotations: dict[str, str] = {}
        """What a webhook adds to the pods that are created."""
        self.watches: list[str] = []
        """The resourceVersion from which each watch began."""
        self.peers: set[object] = set()
        """The addresses of the connections on which requests came."""
        self.refusal: tuple[int, bytes] | None = None
        """The response to every request instead."""
        self.refused: dict[str, tuple[int, bytes]] = {}
        """The response to a request of a path instead."""
        self.requests: list[str] = []
        """The path of each GET."""
        self.queries: list[dict[str, list[str]]] = []
        """The query of each of them."""
        self.before: Callable[[str], None] = lambda _: None
        """Is called with the path before each of them is answered."""
        self.over = threading.Event()
        self._server = QuietServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(STOP_POLL_SECONDS,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def end(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> JSONObject:
        metadata = {"resourceVersion": "5"}
        return {
            VERSION_PATH: self.version,
            NODES_PATH: {"metadata": metadata, "items": self.nodes},
            CONFIGURATIONS_PATH: {"metadata": metadata, "items": []},
            **self.objects,
        }[path]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            """As Go does. With it each second part of a response would wait for an acknowledgement that Linux delays by 40 ms."""

            def log_message(self, *_: object) -> None:
                """Not on the test's stderr."""

            def do_GET(self) -> None:
                script.peers.add(self.client_address)
                url = urlsplit(self.path)
                query = parse_qs(url.query)
                script.selectors += query.get("labelSelector", [])
                script.requests.append(url.path)
                script.queries.append(query)
                script.before(url.path)
                status, body = script.refusal or script.refused.get(url.path) or (200, b"")
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                if body:
                    self.send_chunk(body)
                elif "watch" in query:
                    script.watches += query["resourceVersion"]
                    for part in script.events:
                        self.send_chunk(part)
                    script.over.wait(WATCH_SECONDS)
                else:
                    text = script.texts.get(url.path)
                    self.send_chunk((json.dumps(script.answer(url.path)) if text is None else text).encode())
                self.send_chunk(b"")

            def do_POST(self) -> None:
                """Create what is sent, as it is sent; but a pod with the annotations that a webhook adds."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if script.annotations and urlsplit(self.path).path.endswith("/pods"):
                    pod = json.loads(body)
                    pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **script.annotations}
                    body = json.dumps(pod).encode()
                self.send_response(201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def send_chunk(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

        return Handler


@contextmanager
def scripted_api_server() -> Iterator[ScriptedApiServer]:
    """One that ends with the block."""
    server = ScriptedApiServer()
    try:
        yield server
    finally:
        server.end()
