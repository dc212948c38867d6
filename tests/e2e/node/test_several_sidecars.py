"""Sidecars end one after the other: those that use the mesh before the mesh's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook.core.names import SIDECARS_ANNOTATION, STATUS_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


DESCRIPTION = [{"name": "tunnel", "ready": {"port": 9001, "path": "/healthz/ready"}, "quit": {"port": 9000, "path": "/quitquitquit"}}]


def tunnel(image: str) -> JSONObject:
    """A sidecar that nobody knows but the pod's author: the stand-in, on other ports."""
    proxy = stand_in_proxy(image)
    return {**proxy, "name": "tunnel", "command": [*proxy["command"], "--status-port=9000", "--ready-port=9001"]}


def test_a_sidecar_that_the_pod_describes_gets_a_quit_request_before_the_mesh_proxy(
    namespace: PodNamespace, task_image: str, agent_image: str
) -> None:
    sidecars = stand_in_proxy(agent_image), tunnel(agent_image)
    base = shell(task_image, "exit 3")
    namespace.create(operator_pod(namespace.name, "two", base, *sidecars, annotations={SIDECARS_ANNOTATION: json.dumps(DESCRIPTION)}))

    end = namespace.end("two")
    codes = {name: (end.terminated(name) or {}).get("exitCode") for name in ("base", "tunnel", "istio-proxy")}
    assert codes == {"base": 3, "tunnel": 0, "istio-proxy": 0}
    quits = {
        name: [event for event in namespace.agent_events("two", name) if event.get("path") == "/quitquitquit"]
        for name in ("tunnel", "istio-proxy")
    }
    assert [len(events) for events in quits.values()] == [1, 1]
    assert quits["tunnel"][0]["at"] < quits["istio-proxy"][0]["at"]
    assert json.loads(namespace.pod("two")["metadata"]["annotations"][STATUS_ANNOTATION])["sidecars"] == {
        "tunnel": "quit",
        "istio-proxy": "quit",
    }
