"""What to do about containers that nobody knows, in a pod in which the webhook ends nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import yaml

from tests.support.pods import ABLE_CLUSTER
from tests.support.task_pods import FLUENT_BIT, task_pod
from tests.unit.core.test_remedy import OF_OPERATOR, POLICY, UPLOADER, in_mesh, operator_pod
from webhook.core import UNKNOWN_CLUSTER, ContainerReason, treat
from webhook.core.names import OUTLIVES_TASK_ANNOTATION, SIDECARS_ANNOTATION
from webhook.core.pod_options import MAX_DESCRIBED_SIDECARS

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Remedy

INDEXER: Final = {"name": "indexer", "image": "registry.example.com/indexer:1"}


def on_host_network(pod: JSONObject) -> list[Remedy]:
    """What to do about the containers that nobody knows: where they end by themselves, and where they do not."""
    reasons = (ContainerReason.END_UNKNOWN, ContainerReason.NEVER_ENDED)
    return [one for one in treat(in_mesh(pod, hostNetwork=True), POLICY, UNKNOWN_CLUSTER).remedies if one.reason in reasons]


def test_they_are_named_as_ones_that_end_or_described_as_sidecars_all_in_one_line() -> None:
    ends, runs = on_host_network(operator_pod(UPLOADER, INDEXER))

    assert (ends.reason, ends.containers, ends.where) == ("end-unknown", ("uploader", "indexer"), OF_OPERATOR)
    assert yaml.safe_load(ends.line) == {OUTLIVES_TASK_ANNOTATION: "indexer,uploader"}
    assert (runs.reason, runs.containers, runs.where) == ("never-ended", ("uploader", "indexer"), OF_OPERATOR)
    described = json.loads(yaml.safe_load(runs.line)[SIDECARS_ANNOTATION])
    assert described == [{"name": "uploader", "native": True}, {"name": "indexer", "native": True}]


def test_where_the_annotation_has_no_room_for_them_they_are_named_without_a_line() -> None:
    cached = [{"name": f"cache-{number}"} for number in range(MAX_DESCRIBED_SIDECARS)]
    pod = operator_pod(*({**one, "image": "redis:7"} for one in cached), UPLOADER, sidecars=json.dumps(cached))
    ends, runs = on_host_network(pod)

    assert yaml.safe_load(ends.line) == {OUTLIVES_TASK_ANNOTATION: "uploader"}
    assert (runs.containers, runs.place, runs.line) == (("uploader",), None, "")


def test_in_a_pod_whose_containers_may_be_ended_they_are_described_alone() -> None:
    found = [one.reason for one in treat(in_mesh(operator_pod(UPLOADER)), POLICY, ABLE_CLUSTER).remedies]

    assert found == [ContainerReason.UNKNOWN]


def test_beside_a_sidecar_that_awaits_a_mesh_the_reason_of_the_pod_has_its_remedy_too() -> None:
    """Without them the injection is all that is missing; with them it is not known to be."""
    awaiting = {**FLUENT_BIT, "livenessProbe": {"httpGet": {"path": "/live", "port": 9090}}}
    pod = task_pod(awaiting, UPLOADER, annotations={"sidecar.istio.io/inject": "true"})
    found = {(one.reason, one.containers) for one in treat(pod, POLICY, ABLE_CLUSTER).remedies}

    assert found == {("no-quit", ()), ("not-in-catalogue", ("uploader",)), ("before-mesh", ("logs",))}
