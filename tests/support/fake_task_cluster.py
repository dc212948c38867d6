"""A fake API server with task pods that a reaper may end. It shows nothing about a real one: what kubelets do is scripted."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.fake_lease_api import FakeLeaseApi
from tests.support.live_pods import ended
from tests.support.quiet_server import QuietServer
from tests.support.web_socket_frames import accept_key, read_message, write_close, write_message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

PAGE: Final = 2
"""Pods in a page, whatever the client asks for."""

POLL_SECONDS: Final = 0.01
"""How soon the server notices that it is to end."""

Change = Callable[["JSONObject"], None]


def end_of(container: str, code: int = 0) -> Change:
    """The container ends; with the last one the pod does."""

    def change(pod: JSONObject) -> None:
        states = pod["status"]["containerStatuses"]
        for status in states:
            if status["name"] == container:
                status["state"] = ended(code)
        if all("terminated" in status["state"] for status in states):
            has_failed = any(status["state"]["terminated"]["exitCode"] for status in states)
            pod["status"]["phase"] = "Failed" if has_failed else "Succeeded"

    return change


def nothing(_: JSONObject) -> None:
    """Nothing changes."""


@dataclass
class PortListener:
    """What answers on a port of a pod's loopback.

    Args:
        status: Of its response; None: it closes the connection without one.
        change: What then becomes of the pod.

    """

    status: int | None = 200
    change: Change = nothing


@dataclass(frozen=True)
class PhaseSelection:
    """The pods that a list or a watch selects, by their phase and perhaps by a label."""

    phase: str
    label: str

    def has(self, pod: JSONObject) -> bool:
        """Whether a pod is selected."""
        labels = {f"{name}={value}" for name, value in pod["metadata"].get("labels", {}).items()}
        return bool(pod["status"]["phase"] == self.phase) and (not self.label or self.label in labels)


@dataclass
class FakeTaskCluster:
    """The cluster.

    Args:
        pods: The pods, by namespace and name.
        missing: Namespaces that do not exist.
        opted_in: Of each namespace that was labelled once whether it has the label now, since which resourceVersion.
        listeners: What listens, by the pod's name and the port.
        shells: What a command in a container does to its pod, by the names of both; other images have no shell.
        result: The result of each such command.
        refusals: The response instead, by the method and the last word of the path.
        before: What happens once, when a connection to a pod has been opened or a patch arrives, by the pod's name.
        requests: Of every request the method and the path with its query.
        tokens: The credentials of each request that has some.
        snapshots: What the current list of each namespace and selection shows.
        snapshot_versions: The resourceVersion of each of them.
        quits: Every request that reached a listener: the pod's uid, and its first line.
        lease: The Lease of the reapers that watch.
        events: The Events that were created, by their names.
        counted: How often an Event was counted once more.
        watchers: How many watches are open, but for those of pods that have not started.
        too_old: Watches from an earlier resourceVersion than this are refused with 410.
        broken: How often every watch was ended.

    """

    pods: dict[tuple[str, str], JSONObject] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    opted_in: dict[str, tuple[bool, int]] = field(default_factory=dict)
    listeners: dict[tuple[str, int], PortListener] = field(default_factory=dict)
    shells: dict[tuple[str, str], Change] = field(default_factory=dict)
    result: bytes = b'{"status":"Success"}'
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    quits: list[tuple[str, str]] = field(default_factory=list)
    snapshots: dict[tuple[str, PhaseSelection], list[JSONObject]] = field(default_factory=dict)
    snapshot_versions: dict[tuple[str, PhaseSelection], int] = field(default_factory=dict)
    lease: FakeLeaseApi = field(default_factory=FakeLeaseApi)
    events: dict[str, JSONObject] = field(default_factory=dict)
    counted: int = 0
    watchers: int = 0
    too_old: int = 0
    broken: int = 0
    version: int = 100
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_over: bool = False
    url: str = ""

    def add(self, pod: JSONObject, name: str = "", namespace: str = "airflow", uid: str = "") -> None:
        """Add a pod."""
        name = name or pod["metadata"]["name"]
        pod["metadata"] |= {"name": name, "namespace": namespace, "uid": uid or f"uid-of-{name}", "resourceVersion": "100"}
        self.pods[namespace, name] = pod
        self.change((namespace, name), nothing)

    def change(self, key: tuple[str, str], change: Change) -> None:
        """Change a pod, as a kubelet does."""
        with self.changed:
            self.version += 1
            change(self.pods[key])
            self.pods[key]["metadata"]["resourceVersion"] = str(self.version)
            self.changed.notify_all()

    def label(self, namespace: str, *, is_opted_in: bool = True) -> None:
        """Give a namespace the label by which it opts in, or take it away."""
        with self.changed:
            self.version += 1
            self.opted_in[namespace] = (is_opted_in, self.version)
            self.changed.notify_all()

    def break_watches(self, *, lose: bool = False) -> None:
        """End every open watch; ``lose``: and let no watch continue where one ended."""
        with self.changed:
            self.broken += 1
            self.version += 1
            self.too_old = self.version if lose else self.too_old
            self.changed.notify_all()

    def happen(self, name: str) -> None:
        """Let happen what happens before the next request to this pod."""
        self.before.pop(name, lambda: None)()

    def take_snapshot(self, namespace: str, selected: PhaseSelection) -> None:
        """Take the selected pods of a namespace or of all, of which a list shows page after page, whatever happens meanwhile."""
        with self.changed:
            found = [pod for pod in self.pods_of(namespace) if selected.has(pod)]
            self.snapshots[namespace, selected] = copy.deepcopy(found)
            self.snapshot_versions[namespace, selected] = self.version

    def pods_of(self, namespace: str) -> list[JSONObject]:
        """The pods of a namespace; of all, where it is empty."""
        return [pod for (place, _), pod in self.pods.items() if namespace in {"", place}]

    def phase(self, name: str, namespace: str = "airflow") -> str:
        """The phase of a pod."""
        return str(self.pods[namespace, name]["status"]["phase"])

    def patch(self, key: tuple[str, str], patch: JSONObject) -> int:
        """Set what a merge patch sets in the spec; the status of the response."""
        self.happen(key[1])
        metadata = self.pods[key]["metadata"]
        if any(metadata[name] != value for name, value in patch.pop("metadata").items()):
            return 409
        seconds = patch["spec"]["activeDeadlineSeconds"]

        def end(pod: JSONObject) -> None:
            pod["spec"]["activeDeadlineSeconds"] = seconds
            for status in list(pod["status"]["containerStatuses"]):
                if "running" in status["state"]:
                    end_of(status["name"], 143)(pod)

        self.change(key, end)
        return 200


def _namespace_in(words: list[str]) -> str:
    """The namespace in a path; empty: all."""
    return words[3] if words[2] == "namespaces" else ""


def _version_of(event: JSONObject) -> int:
    return int(event["object"]["metadata"]["resourceVersion"])


def _selection_in(query: dict[str, str]) -> PhaseSelection:
    return PhaseSelection(query["fieldSelector"].removeprefix("status.phase="), query.get("labelSelector", ""))


class TaskClusterServer(QuietServer):
    """The HTTP server of a fake cluster."""

    daemon_threads = True

    def __init__(self, cluster: FakeTaskCluster) -> None:
        super().__init__(("127.0.0.1", 0), TaskClusterHandler)
        self.cluster = cluster


class TaskClusterHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: TaskClusterServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """As Go does. With it each body would wait for an acknowledgement of its head that Linux delays by 40 ms."""

    def log_message(self, *_: object) -> None:
        """Not on the test's stderr."""

    def do_GET(self) -> None:
        url, words = self._received()
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self._is_refused(words[-1] if "watch" not in query else "watch"):
            return
        if words[1] == "coordination.k8s.io":
            self._lease("GET", url.path)
        elif words[-1] == "portforward":
            self._forward(words[3], words[5], int(query["ports"]))
        elif words[-1] == "exec":
            self._execute(words[3], words[5], query["container"])
        elif words[-1] == "namespaces":
            assert query["labelSelector"].startswith("airflow-sidecar-webhook=enabled,")
            self._watch_all(self._newer_namespaces, query) if "watch" in query else self._list_namespaces()
        elif words[-2] == "namespaces":
            exists = words[-1] not in self.server.cluster.missing
            self._answer(200, {"metadata": {"name": words[-1]}}) if exists else self._answer(404, {"message": "there is no such namespace"})
        elif words[-1] != "pods":
            pod = self.server.cluster.pods.get((words[3], words[5]))
            self._answer(200, pod) if pod else self._answer(404, {"message": "there is no such pod"})
        elif "watch" in query:
            what, _, name = query["fieldSelector"].partition("=")
            if what == "status.phase":
                self._watch_all(partial(self._newer_pods, _namespace_in(words), _selection_in(query)), query)
            else:
                self._watch(words[3], name, int(query["resourceVersion"]), int(query["timeoutSeconds"]))
        else:
            self._list(_namespace_in(words), _selection_in(query), int(query.get("continue", "0")))

    def do_POST(self) -> None:
        url, words = self._received()
        body = self._body()
        if self._is_refused(words[-1]):
            return
        if words[1] == "coordination.k8s.io":
            self._lease("POST", url.path, body)
        else:
            is_new = body["metadata"]["name"] not in self.server.cluster.events
            self.server.cluster.events.setdefault(body["metadata"]["name"], body)
            self._answer(201 if is_new else 409, body if is_new else {"message": "it exists already"})

    def do_PUT(self) -> None:
        url, words = self._received()
        body = self._body()
        if not self._is_refused(words[-2]):
            self._lease("PUT", url.path, body)

    def do_PATCH(self) -> None:
        _, words = self._received()
        body = self._body()
        if words[-2] == "events":
            event = self.server.cluster.events[words[-1]]
            event |= body
            self.server.cluster.counted += "count" in body
            self._answer(200, event)
        elif not self._is_refused(words[-1]):
            self._answer(self.server.cluster.patch((words[3], words[5]), body), {"message": "patched, or in conflict"})

    def _body(self) -> JSONObject:
        body: JSONObject = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _lease(self, method: str, path: str, body: JSONObject | None = None) -> None:
        with self.server.cluster.changed:
            response = self.server.cluster.lease.request(method, path, body, read_seconds=1.0)
        self._answer(response.status, json.loads(response.body))

    def _received(self) -> tuple[Any, list[str]]:
        self.server.cluster.requests.append(f"{self.command} {self.path}")
        self.server.cluster.tokens += self.headers.get_all("Authorization", [])
        url = urlsplit(self.path)
        return url, url.path.strip("/").split("/")

    def _is_refused(self, word: str) -> bool:
        refusal = self.server.cluster.refusals.get((self.command, word))
        if refusal is not None:
            self._answer(refusal[0], {"kind": "Status", "message": refusal[1]})
        return refusal is not None

    def _answer(self, status: int, body: JSONObject) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _list(self, namespace: str, selected: PhaseSelection, begin: int) -> None:
        if begin == 0:
            self.server.cluster.take_snapshot(namespace, selected)
        found = self.server.cluster.snapshots[namespace, selected]
        following = str(begin + PAGE) if len(found) > begin + PAGE else ""
        metadata = {"resourceVersion": str(self.server.cluster.snapshot_versions[namespace, selected]), "continue": following}
        self._answer(200, {"metadata": metadata, "items": found[begin : begin + PAGE]})

    def _list_namespaces(self) -> None:
        with self.server.cluster.changed:
            names = [name for name, (is_opted_in, _) in self.server.cluster.opted_in.items() if is_opted_in]
            version = str(self.server.cluster.version)
        self._answer(200, {"metadata": {"resourceVersion": version}, "items": [{"metadata": {"name": name}} for name in names]})

    def _watch_all(self, newer: Callable[[int], list[JSONObject]], query: dict[str, str]) -> None:
        """Send what happens to the objects that are selected; one that no longer is was deleted, as to a real watch."""
        cluster, version = self.server.cluster, int(query["resourceVersion"])
        self.send_response(200)
        # In chunks, which the client reads as they come.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with cluster.changed:
            broken, until = cluster.broken, time.monotonic() + int(query["timeoutSeconds"])
            if version < cluster.too_old:
                self._send({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
                until = 0.0
            is_counted = "Pending" not in query.get("fieldSelector", "")
            cluster.watchers += is_counted
            try:
                while not cluster.is_over and cluster.broken == broken and time.monotonic() < until:
                    for event in newer(version):
                        version = max(version, _version_of(event))
                        self._send(event)
                    cluster.changed.wait(POLL_SECONDS)
            finally:
                cluster.watchers -= is_counted
        self._send_chunk(b"")

    def _newer_pods(self, namespace: str, selected: PhaseSelection, version: int) -> list[JSONObject]:
        """The events of a namespace's pods since then, in their order."""
        events = [{"type": "MODIFIED" if selected.has(pod) else "DELETED", "object": pod} for pod in self.server.cluster.pods_of(namespace)]
        return sorted((event for event in events if _version_of(event) > version), key=_version_of)

    def _newer_namespaces(self, version: int) -> list[JSONObject]:
        """The events of the label of namespaces since then, in their order."""
        events = [
            {"type": "MODIFIED" if is_opted_in else "DELETED", "object": {"metadata": {"name": name, "resourceVersion": str(at)}}}
            for name, (is_opted_in, at) in self.server.cluster.opted_in.items()
        ]
        return sorted((event for event in events if _version_of(event) > version), key=_version_of)

    def _send(self, event: JSONObject) -> None:
        self._send_chunk(json.dumps(event).encode() + b"\n")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _watch(self, namespace: str, name: str, version: int, seconds: int) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        uid = self.server.cluster.pods.get((namespace, name), {"metadata": {"uid": ""}})["metadata"]["uid"]
        with self.server.cluster.changed:
            self.server.cluster.changed.wait_for(
                lambda: self.server.cluster.is_over or self._event(namespace, name, uid, version) is not None, seconds
            )
            event = self._event(namespace, name, uid, version)
        if event is not None:
            self.wfile.write(json.dumps(event).encode() + b"\n")
        self.close_connection = True

    def _event(self, namespace: str, name: str, uid: str, version: int) -> JSONObject | None:
        pod = self.server.cluster.pods.get((namespace, name))
        if pod is None or pod["metadata"]["uid"] != uid:
            return {"type": "DELETED", "object": {"metadata": {"name": name}}}
        return {"type": "MODIFIED", "object": pod} if int(pod["metadata"]["resourceVersion"]) > version else None

    def _upgrade(self, name: str) -> None:
        # Before the response, so that the client's next request comes after it.
        self.server.cluster.happen(name)
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers["Sec-WebSocket-Key"]))
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True

    def _forward(self, namespace: str, name: str, port: int) -> None:
        uid = self.server.cluster.pods[namespace, name]["metadata"]["uid"]
        self._upgrade(name)
        for channel in (0, 1):
            write_message(self.wfile, channel, port.to_bytes(2, "little"))
        listener = self.server.cluster.listeners.get((name, port))
        if listener is None:
            write_message(self.wfile, 1, f"an error occurred forwarding {port}: connection refused".encode())
        message = read_message(self.rfile)
        if listener is None or message is None:
            return
        self.server.cluster.quits.append((uid, message[1].decode().partition("\r\n")[0]))
        if listener.status is not None:
            write_message(self.wfile, 0, f"HTTP/1.1 {listener.status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
        self.server.cluster.change((namespace, name), listener.change)
        write_close(self.wfile)

    def _execute(self, namespace: str, name: str, container: str) -> None:
        self._upgrade(name)
        change = self.server.cluster.shells.get((name, container))
        message = None if change is None else read_message(self.rfile)
        if change is None:
            write_message(self.wfile, 3, b'{"status":"Failure","message":"/bin/sh: no such file or directory"}')
        elif message is not None:
            self.server.cluster.change((namespace, name), change)
            write_message(self.wfile, 3, self.server.cluster.result)
        write_close(self.wfile)


@contextmanager
def fake_task_cluster(tls: ssl.SSLContext | None = None) -> Iterator[FakeTaskCluster]:
    """One that ends with the block; with ``tls`` it serves HTTPS."""
    cluster = FakeTaskCluster()
    server = TaskClusterServer(cluster)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    cluster.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield cluster
    finally:
        with cluster.changed:
            cluster.is_over = True
            cluster.changed.notify_all()
        server.shutdown()
        server.server_close()
