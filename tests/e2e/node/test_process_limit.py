"""A task that leaves processes behind until the kubelet's podPidsLimit is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace

# The shell in parentheses fills the limit, and ends when it can start no more; what it started stays.
FILLS_THE_LIMIT = "(while :; do sleep 3600 </dev/null >/dev/null 2>&1 & done) 2>/dev/null; exit 7"
SHELLS = ["busybox", "bash"]


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, task_image: str, bash_image: str, agent_image: str) -> None:
    for name, image in zip(SHELLS, (task_image, bash_image), strict=True):
        namespace.create(operator_pod(namespace.name, name, shell(image, FILLS_THE_LIMIT), stand_in_proxy(agent_image)))


@pytest.mark.parametrize("name", SHELLS)
def test_the_pod_ends_with_the_tasks_code_and_the_sidecar_got_its_quit_request(namespace: PodNamespace, name: str) -> None:
    ended = namespace.end(name)
    base, proxy = ended.terminated("base"), ended.terminated("istio-proxy")
    assert base
    assert proxy
    assert (base["exitCode"], proxy["exitCode"], proxy["reason"]) == (7, 0, "Completed"), namespace.log(name)
    quits = [event for event in namespace.agent_events(name) if event.get("path") == "/quitquitquit"]
    assert [event["method"] for event in quits] == ["POST"]
