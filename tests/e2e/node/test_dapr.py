"""A task beside Dapr's sidecar starts once that can answer, converted and wrapped: on a real kubelet, with a stand-in that is not ready at once.

The stand-in shows the ports, paths and codes of daprd (dapr/dapr pkg/api/http), and none of what daprd does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.mesh.task import ended, status_of
from tests.e2e.node.namespace import namespace_on
from tests.e2e.node.native import selecting, watching
from tests.e2e.node.pods import operator_pod, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CODE: Final = 3
UNREADY: Final = 3
"""So many requests for its health the stand-in refuses; then it is ready."""

STAND_IN: Final = f"""
import http.server, os, threading

refused = threading.Semaphore({UNREADY})

class Daprd(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if refused.acquire(blocking=False) else 204)
        self.end_headers()

    def do_POST(self):
        self.send_response(204)
        self.end_headers()
        self.wfile.flush()
        os._exit(0)

servers = [http.server.ThreadingHTTPServer(("", port), Daprd) for port in (3500, 3501)]
threading.Thread(target=servers[0].serve_forever).start()
servers[1].serve_forever()
"""

TASK: Final = f"""
answer=$(curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:3501/v1.0/healthz/outbound)
[ "$answer" = 204 ] && exit {CODE}; exit 9
"""
"""One request and no other: it ends with 3 where the sidecar was ready, else with 9."""


def dapr_pod(namespace: str, image: str) -> JSONObject:
    """A task as Dapr's injector leaves it, with the stand-in."""
    ports = ["--dapr-http-port", "3500", "--dapr-public-port", "3501"]
    daprd = {"name": "daprd", "image": image, "command": ["python3", "-c", STAND_IN], "args": ports}
    annotations = {"dapr.io/enabled": "true", "dapr.io/app-id": "task"}
    pod = operator_pod(namespace, "dapr", shell(image, TASK), daprd, annotations=annotations, terminationGracePeriodSeconds=1)
    pod["metadata"]["labels"]["dapr.io/sidecar-injected"] = "true"
    return pod


@pytest.fixture(scope="module")
def able(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace for whose pods a webhook is called that has found native sidecars."""
    with (
        watching(node, "dapr-watcher") as level,
        selecting(level, "airflow-sidecar-webhook-dapr") as labels,
        namespace_on(level, "dapr", **labels) as namespace,
    ):
        yield namespace


@pytest.mark.parametrize(("where", "end"), [("able", "native"), ("namespace", "quit")])
def test_the_task_starts_once_daprd_is_ready_and_the_pod_ends(
    where: str, end: str, bash_image: str, request: pytest.FixtureRequest
) -> None:
    namespace: Any = request.getfixturevalue(where)
    pod = namespace.level.api.create(dapr_pod(namespace.name, bash_image))

    assert status_of(pod)["sidecars"] == {"daprd": end}
    assert ended(namespace.end("dapr"), "base")["exitCode"] == CODE
