"""The task's very first act is a request through the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.mesh.task import REQUEST_FAILED, assert_runs_on, ended, is_from_envoy, request
from tests.e2e.node.pods import operator_pod, shell
from webhook.core.names import MODE_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace


def test_the_tasks_first_request_goes_through_the_proxy(namespace: PodNamespace, task_image: str, web: str) -> None:
    namespace.create(operator_pod(namespace.name, "first", shell(task_image, f"{request(web)}; exit 3")))

    base = ended(namespace.end("first"), "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == 3


def test_the_same_pod_left_alone_loses_that_request_and_runs_on(namespace: PodNamespace, task_image: str, web: str) -> None:
    base = shell(task_image, f"{request(web)}; exit 3")
    namespace.create(operator_pod(namespace.name, "left-alone", base, annotations={MODE_ANNOTATION: "off"}))

    end = namespace.base_end("left-alone")
    assert end["exitCode"] == REQUEST_FAILED
    # The rules that lead to the proxy are there before it listens.
    assert "Failed to connect" in end["message"]
    assert_runs_on(namespace, "left-alone")
