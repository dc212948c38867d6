"""What is read of a pod: the annotations that are ignored, and the native sidecars that have lost their mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.task_pods import FLUENT_BIT, GIT_SYNC, annotated, task_pod
from webhook.core.admission import treat
from webhook.core.built_in import default_policy
from webhook.core.catalogue import Catalogue
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import Mutate, Skip
from webhook.core.earlier_status import EarlierStatus
from webhook.core.facts import read_facts
from webhook.core.names import MAIN_CONTAINER_ANNOTATION, MODE_ANNOTATION, PREFIX, STATUS_ANNOTATION
from webhook.core.pod import read_pod
from webhook.core.pod_options import MAX_NAMED
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

CATALOGUE: Final = default_policy().catalogue
PROBE: Final = {"startupProbe": {"httpGet": {"port": 15021}}}
"""A field that of all init containers only a native sidecar may have."""


def test_an_annotation_that_names_no_container_is_ignored_beside_those_that_do_not_exist() -> None:
    unknown = {f"{PREFIX}/x{number}": "" for number in range(MAX_NAMED + 2)}
    pod = annotated(task_pod(), {MAIN_CONTAINER_ANNOTATION: "other"} | unknown)
    invalid = read_facts(read_pod(pod), CATALOGUE).invalid_annotations

    assert [one.key for one in invalid.named] == [*list(unknown)[:MAX_NAMED], MAIN_CONTAINER_ANNOTATION]
    assert invalid.more == 2


PROXY: Final = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.26.8", "args": ["proxy", "sidecar"], **PROBE}
PLAIN: Final[dict[str, tuple[JSONObject, list[str]]]] = {
    "a proxy of an injector": (task_pod(inits=(PROXY,)), ["istio-proxy"]),
    "a placeholder for one": (task_pod(inits=({**PROXY, "image": "auto", "args": []},)), []),
    "a container that does its work once": (task_pod(inits=({**GIT_SYNC, **PROBE, "args": ["--one-time"]},)), []),
    "the same without the flag": (task_pod(inits=({**GIT_SYNC, **PROBE},)), ["git-sync"]),
}


@pytest.mark.parametrize(("pod", "unmarked"), PLAIN.values(), ids=PLAIN)
def test_a_plain_init_container_with_a_field_of_native_ones_was_native_unless_it_is(pod: JSONObject, unmarked: list[str]) -> None:
    assert list(read_facts(read_pod(pod), CATALOGUE).unmarked) == unmarked


@pytest.mark.parametrize(("annotations", "unmarked"), [({}, ["own"]), ({"example.com/once": "true"}, [])], ids=str)
def test_so_it_is_where_an_annotation_shows_that_an_administrators_sidecar_does_its_work_once(
    annotations: dict[str, str], unmarked: list[str]
) -> None:
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}, "native": {"convert": {}}}
    catalogue = Catalogue(parse_sidecars([{**row, "one_time": [{"annotation": "example.com/once"}]}]))
    pod = task_pod(inits=({"name": "own", "image": "own:1", **PROBE},), annotations=annotations)

    assert list(read_facts(read_pod(pod), catalogue).unmarked) == unmarked


def test_a_plain_init_container_was_native_where_an_earlier_status_says_so() -> None:
    status = {STATUS_ANNOTATION: '{"sidecars": {"logs": "native", "git-sync": "wrapped"}}'}
    pod = task_pod(inits=(GIT_SYNC, FLUENT_BIT), annotations=status)

    assert list(read_facts(read_pod(pod), CATALOGUE).unmarked) == ["logs"]


@pytest.mark.parametrize(("mode", "decision"), [("label-only", Mutate), ("off", Skip)])
def test_an_outcome_has_the_status_of_the_review_before_it(mode: str, decision: type[Mutate | Skip]) -> None:
    pod = task_pod(annotations={STATUS_ANNOTATION: '{"reason": "sidecars-native", "main": "base"}', MODE_ANNOTATION: mode})
    outcome = treat(pod, default_policy(), UNKNOWN_CLUSTER)

    assert isinstance(outcome.decision, decision)
    assert outcome.before == EarlierStatus(reason="sidecars-native", main="base")


@pytest.mark.parametrize("field", ["works_after_task", "must_outlive_task"])
def test_a_container_with_work_to_do_after_the_task_is_no_sidecar_of_it(field: str) -> None:
    row = {"id": "own", "title": "x", "sources": ["x"], "match": {"markers": [{"image": "tools/uploader"}]}, field: True}
    catalogue = Catalogue((*parse_sidecars([row]), *CATALOGUE.sidecars))
    facts = read_facts(read_pod(task_pod({"name": "uploader", "image": "tools/uploader"}, FLUENT_BIT)), catalogue)

    assert [one.name for one in facts.sidecars] == ["logs"]
