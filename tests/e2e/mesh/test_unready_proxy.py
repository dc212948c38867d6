"""A proxy that never becomes ready, since no istiod is at its discovery address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.mesh.task import ended, request
from tests.e2e.node.pods import operator_pod, shell
from webhook.core.names import WAIT_SECONDS_ANNOTATION, WHEN_NOT_READY_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace

NEVER_READY: Final = {"proxy.istio.io/config": '{"discoveryAddress": "127.0.0.1:9"}', WAIT_SECONDS_ANNOTATION: "4"}
TASK_CODE: Final = 3
SIDECARS_NOT_READY: Final = 69


@pytest.fixture(scope="module")
def pods(namespace: PodNamespace, task_image: str, web: str) -> None:
    """Both ways to go on after the deadline, at once."""
    refused = f"({request(web)}) && exit 0; exit {TASK_CODE}"
    failing = shell(task_image, "exit 0", terminationMessagePolicy="FallbackToLogsOnError")
    namespace.create(operator_pod(namespace.name, "fail", failing, annotations=NEVER_READY))
    namespace.create(
        operator_pod(namespace.name, "run", shell(task_image, refused), annotations={**NEVER_READY, WHEN_NOT_READY_ANNOTATION: "run"})
    )


@pytest.mark.usefixtures("pods")
def test_the_task_is_not_started_and_the_pod_fails_with_a_code_and_a_line_of_its_own(namespace: PodNamespace) -> None:
    end = namespace.end("fail")
    base = ended(end, "base")
    assert base["exitCode"] == SIDECARS_NOT_READY
    assert "istio-proxy was not ready after 4 s: the task was not started" in base["message"]
    assert ended(end, "istio-proxy")["exitCode"] == 0
    assert end.phase == "Failed"


@pytest.mark.usefixtures("pods")
def test_the_task_runs_all_the_same_where_that_is_set_and_the_pod_ends_with_its_code(namespace: PodNamespace) -> None:
    end = namespace.end("run")
    base = ended(end, "base")
    assert base["exitCode"] == TASK_CODE
    assert "Failed to connect" in base["message"]
    assert ended(end, "istio-proxy")["exitCode"] == 0
    assert "istio-proxy was not ready after 4 s: the task runs anyway" in namespace.log("run")
