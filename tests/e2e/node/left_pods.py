"""Pods whose task has ended and whose sidecars run on, by what keeps them Running; and sidecars that answer a quit request as they are set to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import executor_pod, shell, stand_in_proxy
from webhook.core.names import MODE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.json_object import JSONObject

LABEL_ONLY: Final = {MODE_ANNOTATION: "label-only"}
"""The webhook writes its status, and leaves the sidecar alone."""

LINKERD: Final = {"linkerd.io/proxy-version": "edge-25.4.4"}
"""By it the container ``linkerd-proxy`` is identified, as its injector leaves it."""

RAN: Final = "the task ran\n"
READY: Final = "ready"
"""What every sidecar here logs once it takes requests, or signals."""

COLLECTOR: Final = "localhost/otel/opentelemetry-collector:0.139.0"
"""By this name the catalogue identifies it."""

SERVER: Final = """
import http.server, os, signal, sys
port, status, code, handles = map(int, sys.argv[1:])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        code < 0 or os._exit(code)
signal.signal(signal.SIGTERM, (lambda *_: os._exit(0)) if handles else signal.SIG_IGN)
server = http.server.HTTPServer(("127.0.0.1", port), Answer)
print("ready", flush=True)
server.serve_forever()
"""
"""Answers each POST with a status, and then ends with a code unless that is below 0. It logs each request."""


def answering(image: str, name: str, port: int, status: int, code: int = -1, *, handles_term: bool = True) -> JSONObject:
    """A sidecar with this answer to every request; ``code``: that of its end after it, if it ends. On SIGTERM it exits 0, or runs on."""
    words = map(str, (port, status, code, int(handles_term)))
    return {"name": name, "image": image, "command": ["python3", "-c", SERVER, *words]}


def collector() -> JSONObject:
    """A sidecar without a quit request that exits 0 on SIGTERM."""
    return {"name": "collector", **shell(COLLECTOR, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done")}


def do_sidecars_run(pod: JSONObject) -> bool:
    """Whether the kubelet has reported that every container but ``base`` runs: it may do so after their first lines of log."""
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    return all("running" in one["state"] for one in statuses if one["name"] != "base")


class LeftPod(NamedTuple):
    """A pod that the webhook leaves, and how it ends.

    Args:
        code: Its task's.
        sidecar: Makes its sidecar from the image of a stand-in.
        first: What a pass with the default methods does, and the phase then.
        second: The same of a pass that may also use exec, where the first has not ended the pod.

    """

    code: int
    sidecar: Callable[[str], JSONObject]
    first: tuple[list[str], str]
    second: tuple[list[str], str] | None = None

    def make(self, namespace: str, name: str, task_image: str, agent_image: str) -> JSONObject:
        """The pod. The deadline ends its containers by SIGKILL after a second."""
        base = shell(task_image, f"echo the task ran; exit {self.code}")
        annotations: Mapping[str, str] = LABEL_ONLY | LINKERD
        pod = executor_pod(namespace, name, base, self.sidecar(agent_image), annotations=annotations)
        pod["spec"]["terminationGracePeriodSeconds"] = 1
        return pod


def proxy(behaviour: Behaviour) -> Callable[[str], JSONObject]:
    """Istio's stand-in."""
    return lambda image: stand_in_proxy(image, behaviour)


def linkerd(status: int, code: int = -1) -> Callable[[str], JSONObject]:
    """A stand-in for Linkerd's proxy, which is no more than its answer."""
    return lambda image: answering(image, "linkerd-proxy", 4191, status, code)


LEFT_PODS: Final = {
    "succeeds": LeftPod(0, proxy(Behaviour.AS_ISTIO), (["quit"], "Succeeded")),
    "fails": LeftPod(3, proxy(Behaviour.AS_ISTIO), (["quit"], "Failed")),
    "reply-lost": LeftPod(0, proxy(Behaviour.REPLY_LOST), (["quit"], "Succeeded")),
    "fails-refused": LeftPod(3, proxy(Behaviour.QUIT_FAILS), (["quit", "deadline"], "Failed")),
    "succeeds-refused": LeftPod(0, proxy(Behaviour.QUIT_FAILS), (["quit"], "Running"), (["quit", "exec"], "Succeeded")),
    "fails-forbidden": LeftPod(3, linkerd(403), (["quit", "deadline"], "Failed")),
    "succeeds-forbidden": LeftPod(0, linkerd(403), (["quit"], "Running"), (["quit", "exec"], "Succeeded")),
    "ends-with-1-on-quit": LeftPod(0, linkerd(200, 1), (["quit"], "Failed")),
    "collector": LeftPod(0, lambda _: collector(), ([], "Running"), (["exec"], "Succeeded")),
    "fails-accepted-and-hangs": LeftPod(
        3, lambda image: answering(image, "istio-proxy", 15020, 200, handles_term=False), (["quit", "deadline"], "Failed")
    ),
}
