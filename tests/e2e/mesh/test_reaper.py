"""The reaper beside Istio's real sidecar: pods that the webhook left end with the result of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.mesh.task import regular
from tests.e2e.node.pods import executor_pod, shell
from tests.e2e.reaping import pods_of, reap
from webhook.core.names import MODE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

CODES: Final = {"left-successful": (0, "Succeeded"), "left-failed": (3, "Failed"), "left-killed": (137, "Failed")}
STATUS_PORT: Final = "status.sidecar.istio.io/port"


@pytest.fixture(scope="module")
def report(namespace: PodNamespace, task_image: str) -> Mapping[str, JSONObject]:
    """The report on the pods, by name; the status port of one of them is moved."""
    for name, (code, _) in CODES.items():
        annotations = {MODE_ANNOTATION: "label-only"} | ({STATUS_PORT: "15999"} if code == 3 else {})
        namespace.create(executor_pod(namespace.name, name, shell(task_image, f"exit {code}"), annotations=annotations))
    for name in CODES:
        namespace.base_end(name)
    return pods_of(reap(namespace.level.server.kubeconfig, "-n", namespace.name, "--grace", "2"))


@pytest.mark.parametrize("name", CODES)
def test_istios_agent_takes_the_quit_request_and_the_pod_has_the_result_of_its_task(
    name: str, report: Mapping[str, JSONObject], namespace: PodNamespace
) -> None:
    code, phase = CODES[name]
    pod = namespace.pod(name)
    states = {one["name"]: one["state"]["terminated"]["exitCode"] for one in pod["status"]["containerStatuses"]}

    assert "istio-proxy" in regular(pod)
    assert [(act["method"], act["outcome"]) for act in report[name]["acts"]] == [("quit", "accepted")], report[name]
    assert (report[name]["phase"], states) == (phase, {"base": code, "istio-proxy": 0})
