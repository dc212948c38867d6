"""A wrapped pod ends as its task does, whatever its sidecar would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.cluster.conftest import NodeLevel


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127])
def test_a_wrapped_pod_ends_with_the_tasks_code(node: NodeLevel, namespace: str, task_image: str, agent_image: str, code: int) -> None:
    node.api.create(operator_pod(namespace, "task", shell(task_image, f"exit {code}"), stand_in_proxy(agent_image)))
    end = node.recorder.first(namespace, "task", lambda moment: moment.phase in {"Succeeded", "Failed"}, "ends")
    ended = end.terminated("base")
    assert ended
    assert ended["exitCode"] == code
    assert end.phase == ("Failed" if code else "Succeeded")
