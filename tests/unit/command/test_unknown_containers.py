"""Containers that nobody knows: whatever becomes of the pod, ``explain``, the warnings and the status say so, with annotations to paste."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.live_pods import ISTIO, UPLOADER, live_pod
from webhook.core import UNKNOWN_CLUSTER, default_policy, treat

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

PREFIX: Final = "airflow-sidecar-webhook"
CACHE: Final = {"name": "cache", "image": "acme/cache:1"}
SAID: Final = frozenset({"end-unknown", "never-ended"})
"""Reasons of remedies of containers that nobody knows, in a pod in which nothing would end them."""


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


def remedies_of(program: InProcessProgram, pod: JSONObject) -> dict[str, JSONObject]:
    """The remedies of the pod by their reason."""
    (one,) = program.explained("-", stdin=json.dumps(pod))
    return {remedy["reason"]: remedy for remedy in one["remedies"]}


@pytest.mark.parametrize("pod", UNSAID.values(), ids=UNSAID)
@pytest.mark.parametrize("reason", sorted(SAID))
def test_a_container_that_nobody_knows_is_said_and_each_line_describes_it(program: InProcessProgram, pod: JSONObject, reason: str) -> None:
    remedy = remedies_of(program, pod)[reason]
    described = copy.deepcopy(pod)
    described["metadata"]["annotations"] |= yaml.safe_load(remedy["line"])

    assert remedy["containers"] == ["uploader"]
    assert f"\n                 {remedy['line']}\n" in program("explain", "-", stdin=json.dumps(pod))
    assert remedies_of(program, described).keys() & SAID == set()


@pytest.mark.parametrize("pod", UNSAID.values(), ids=UNSAID)
def test_whoever_creates_the_pod_is_warned_with_both_lines_and_the_status_names_the_container(pod: JSONObject) -> None:
    outcome = treat(pod, default_policy(), UNKNOWN_CLUSTER)
    lines = [remedy.line for remedy in outcome.remedies if remedy.reason in SAID]

    assert outcome.status is not None
    assert outcome.status.may_keep_running == ("uploader",)
    assert len(lines) == 2
    for line in lines:
        assert [warning for warning in outcome.warnings if warning.endswith(f": {line}")] != []


def test_what_the_annotations_have_already_stays(program: InProcessProgram) -> None:
    present = {f"{PREFIX}/outlives-task": "uploader", f"{PREFIX}/sidecars": '[{"name": "logs", "native": true}]'}
    found = remedies_of(program, pod_of(UPLOADER, CACHE, ISTIO, annotations=present, hostNetwork=True))
    outlives, sidecars = (yaml.safe_load(found[reason]["line"]) for reason in ("end-unknown", "never-ended"))

    assert outlives == {f"{PREFIX}/outlives-task": "cache,uploader"}
    assert json.loads(sidecars[f"{PREFIX}/sidecars"]) == [{"name": "logs", "native": True}, {"name": "cache", "native": True}]


@pytest.mark.parametrize("present", ["{", "1", "[" * 5000])
def test_a_value_that_is_not_valid_is_replaced(program: InProcessProgram, present: str) -> None:
    found = remedies_of(program, pod_of(UPLOADER, ISTIO, annotations={f"{PREFIX}/sidecars": present}, hostNetwork=True))
    line = yaml.safe_load(found["never-ended"]["line"])

    assert json.loads(line[f"{PREFIX}/sidecars"]) == [{"name": "uploader", "native": True}]


def test_where_the_task_may_be_any_of_them_the_line_names_the_task(program: InProcessProgram) -> None:
    pod = pod_of(UPLOADER, CACHE, ISTIO, hostNetwork=True)
    pod["spec"]["containers"] = pod["spec"]["containers"][1:]
    pod["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    found = remedies_of(program, pod)
    remedy = found["main-container-ambiguous"]

    assert found.keys() & SAID == set()
    assert remedy["text"] == "CONTAINER is one of uploader, cache."
    assert remedy["line"] == "\"airflow-sidecar-webhook/main-container\": 'CONTAINER'"
    assert remedy["is_pressing"]


@pytest.mark.parametrize("pod", [pod_of(UPLOADER, ISTIO), pod_of(UPLOADER)], ids=["wrapped", "without a sidecar"])
def test_a_container_of_which_a_remedy_speaks_is_not_said_twice(program: InProcessProgram, pod: JSONObject) -> None:
    found = remedies_of(program, pod)

    assert "not-in-catalogue" in found
    assert found.keys() & SAID == set()


def test_a_pod_without_such_a_container_says_nothing(program: InProcessProgram) -> None:
    assert remedies_of(program, pod_of(ISTIO, hostNetwork=True)).keys() & SAID == set()
