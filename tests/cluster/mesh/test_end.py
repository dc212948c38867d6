"""Pods end beside Istio's real sidecar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.node.pods import operator_pod, shell

if TYPE_CHECKING:
    from tests.cluster.conftest import NodeLevel


@pytest.mark.parametrize("code", [0, 3])
def test_a_pod_ends_with_its_tasks_code(node: NodeLevel, namespace: str, task_image: str, code: int) -> None:
    pod = node.api.create(operator_pod(namespace, "task", shell(task_image, f"exit {code}")))
    assert [container["name"] for container in pod["spec"]["containers"]] == ["base", "istio-proxy"]
    end = node.recorder.first(namespace, "task", lambda moment: moment.phase in {"Succeeded", "Failed"}, "ends")
    ended = end.terminated("base")
    assert ended
    assert ended["exitCode"] == code
    proxy = end.terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0
