"""A container that uses the mesh after the task has ended: the real injector, the real proxy, the real kubelet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.mesh.task import assert_runs_on, ended, is_from_envoy, request, status_of
from tests.e2e.node.native import native_status
from tests.e2e.node.pods import operator_pod, shell
from webhook.core.names import OUTLIVES_TASK_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


def uploader_pod(namespace: PodNamespace, image: str, web: str) -> JSONObject:
    """A task that ends at once, beside an uploader whose request comes seconds later; as it was created."""
    uploader = {"name": "uploader", **shell(image, f"sleep 4; {request(web)}")}
    annotations = {OUTLIVES_TASK_ANNOTATION: "uploader"}
    return namespace.level.api.create(operator_pod(namespace.name, "report", shell(image, "exit 0"), uploader, annotations=annotations))


def test_a_native_proxy_runs_until_it_has_ended(converted: PodNamespace, task_image: str, web: str) -> None:
    pod = uploader_pod(converted, task_image, web)
    assert status_of(pod)["sidecars"] == {"istio-proxy": "native", "uploader": "ends-by-itself"}

    end = converted.end("report")
    uploader = ended(end, "uploader")
    assert uploader["exitCode"] == 0
    assert is_from_envoy(uploader["message"])
    assert native_status(end, "istio-proxy")["state"]["terminated"]["exitCode"] == 0
    assert end.phase == "Succeeded"


def test_without_native_sidecars_no_proxy_is_ended_under_it(namespace: PodNamespace, task_image: str, web: str) -> None:
    pod = uploader_pod(namespace, task_image, web)
    assert (status_of(pod)["treatment"], status_of(pod)["reason"]) == ("left", "outlives-task")

    end = namespace.when("report", lambda moment: moment.terminated("uploader") is not None, "has an uploader that ended")
    assert ended(end, "base")["exitCode"] == 0
    assert is_from_envoy(ended(end, "uploader")["message"])
    assert_runs_on(namespace, "report")
