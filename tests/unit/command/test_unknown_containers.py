"""``explain`` of containers that nobody knows: whatever becomes of the pod, it is said, with an annotation to paste that describes them."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.live_pods import ISTIO, UPLOADER, live_pod

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

PREFIX: Final = "airflow-sidecar-webhook"
CACHE: Final = {"name": "cache", "image": "acme/cache:1"}


def pod_of(*containers: JSONObject, annotations: dict[str, str] | None = None, **spec: Any) -> JSONObject:
    """A pod of the executor that is about to be created."""
    pod = live_pod({}, *containers, **spec)
    del pod["status"]
    pod["metadata"]["annotations"] = annotations or {}
    return {"kind": "Pod", **pod}


UNSAID: Final[dict[str, JSONObject]] = {
    "the host's network": pod_of(UPLOADER, ISTIO, hostNetwork=True),
    "label-only": pod_of(UPLOADER, ISTIO, annotations={f"{PREFIX}/mode": "label-only"}),
    "label-only, without a sidecar": pod_of(UPLOADER, annotations={f"{PREFIX}/mode": "label-only"}),
    "native-only": pod_of(UPLOADER, annotations={f"{PREFIX}/mode": "native"}),
    "Windows": pod_of(UPLOADER, ISTIO, nodeSelector={"kubernetes.io/os": "windows"}),
}


def unknown_of(program: InProcessProgram, pod: JSONObject) -> JSONObject | None:
    """What is said of its unknown containers."""
    (one,) = program.explained("-", stdin=json.dumps(pod))
    found: JSONObject | None = one["unknown"]
    return found


@pytest.mark.parametrize("pod", UNSAID.values(), ids=UNSAID)
@pytest.mark.parametrize("choice", [0, 1])
def test_a_container_that_nobody_knows_is_said_and_each_line_describes_it(program: InProcessProgram, pod: JSONObject, choice: int) -> None:
    unknown = unknown_of(program, pod)
    assert unknown is not None
    line = unknown["descriptions"][choice]["line"]
    described = copy.deepcopy(pod)
    described["metadata"]["annotations"] |= yaml.safe_load(line)

    assert unknown["names"] == ["uploader"]
    assert f"\n                 {line}\n" in program("explain", "-", stdin=json.dumps(pod))
    assert unknown_of(program, described) is None


def test_what_the_annotations_hold_already_stays(program: InProcessProgram) -> None:
    held = {f"{PREFIX}/outlives-task": "uploader", f"{PREFIX}/sidecars": '[{"name": "logs", "native": true}]'}
    unknown = unknown_of(program, pod_of(UPLOADER, CACHE, ISTIO, annotations=held, hostNetwork=True))

    assert unknown is not None
    outlives, sidecars = (yaml.safe_load(one["line"]) for one in unknown["descriptions"])
    assert outlives == {f"{PREFIX}/outlives-task": "uploader,cache"}
    assert json.loads(sidecars[f"{PREFIX}/sidecars"]) == [{"name": "logs", "native": True}, {"name": "cache", "native": True}]


@pytest.mark.parametrize("held", ["{", "1", "[" * 5000])
def test_a_value_that_is_not_valid_is_replaced(program: InProcessProgram, held: str) -> None:
    unknown = unknown_of(program, pod_of(UPLOADER, ISTIO, annotations={f"{PREFIX}/sidecars": held}, hostNetwork=True))

    assert unknown is not None
    (_, line) = (yaml.safe_load(one["line"]) for one in unknown["descriptions"])
    assert json.loads(line[f"{PREFIX}/sidecars"]) == [{"name": "uploader", "native": True}]


def test_where_the_task_may_be_any_of_them_the_line_names_the_task(program: InProcessProgram) -> None:
    pod = pod_of(UPLOADER, CACHE, ISTIO, hostNetwork=True)
    pod["spec"]["containers"] = pod["spec"]["containers"][1:]
    pod["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    unknown = unknown_of(program, pod)

    assert unknown is not None
    (description,) = unknown["descriptions"]
    assert description == {
        "condition": "With one of uploader, cache for CONTAINER",
        "line": "\"airflow-sidecar-webhook/main-container\": 'CONTAINER'",
    }


def test_a_container_of_which_a_remedy_speaks_is_not_said_twice(program: InProcessProgram) -> None:
    assert unknown_of(program, pod_of(UPLOADER, ISTIO)) is None


def test_a_pod_without_such_a_container_says_nothing(program: InProcessProgram) -> None:
    assert unknown_of(program, pod_of(ISTIO, hostNetwork=True)) is None
