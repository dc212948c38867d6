"""What the API server gets for a review it may send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.reviews import IDS, PATHS, injected_pod, injected_review, is_left_alone, new_uid, patch_of
from tests.support.oracles.admission import verify
from tests.support.pods import load, pods_in, review_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running_service import RunningService

LONG_RUNNING = "helm-chart/istio-workarounds"


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_real_review_gets_an_answer_that_the_api_server_takes(service: RunningService, path: Path) -> None:
    review = path.read_bytes()
    reply = service.post(review)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    verify(review, reply.body)


def test_there_are_as_many_real_reviews_as_were_captured() -> None:
    assert len(PATHS) == 37


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_dry_run_is_answered_like_the_real_thing(service: RunningService, path: Path) -> None:
    document = json.loads(path.read_bytes())
    real, dry = (
        service.post(json.dumps({**document, "request": {**document["request"], "dryRun": value}}).encode()) for value in (False, True)
    )
    assert dry.body == real.body


def test_a_pod_with_a_sidecar_is_wrapped_and_a_second_pass_changes_nothing(service: RunningService) -> None:
    review = injected_review()
    once = verify(review, service.post(review).body)
    assert once != injected_pod()
    assert is_left_alone(service.post(review_of(once, uid=new_uid())))


def test_a_pod_that_is_not_airflows_is_left_alone(service: RunningService) -> None:
    pods = [pod for path, pod in pods_in("helm-chart") if "deployment" in path]
    assert pods
    assert all(is_left_alone(service.post(review_of(pod, uid=new_uid()))) for pod in pods)


def test_unknown_fields_of_the_pod_survive(service: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["notYetInvented"] = {"a": [1]}
    pod["spec"]["initContainers"] = [{"name": "agent", "image": "agent", "restartPolicy": "Always", "notYetInvented": True}]
    review = review_of(pod, uid=new_uid())
    after = verify(review, service.post(review).body)
    assert after["spec"]["notYetInvented"] == {"a": [1]}
    assert after["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert after["spec"]["initContainers"][0]["notYetInvented"] is True


@pytest.mark.parametrize(
    ("request_fields", "reason"),
    [
        ({"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}, "not-a-pod"),
        ({"kind": {"group": "apps", "version": "v1", "kind": "Pod"}}, "not-a-pod"),
        ({"kind": {"group": "", "version": "v1", "kind": "Binding"}}, "not-a-pod"),
        ({"operation": "UPDATE"}, "not-a-create"),
        ({"operation": "DELETE", "object": None}, "not-a-create"),
        ({"operation": "CONNECT"}, "not-a-create"),
        ({"subResource": "ephemeralcontainers"}, "subresource"),
        ({"subResource": "status"}, "subresource"),
    ],
)
def test_a_review_that_is_none_of_our_business_is_allowed_untouched(
    service: RunningService, request_fields: dict[str, Any], reason: str
) -> None:
    uid = new_uid()
    reply = service.post(injected_review(uid=uid, **request_fields))
    assert is_left_alone(reply)
    assert reply.response == {"uid": uid, "allowed": True}
    assert service.log(uid=uid)["reason"] == reason


def test_another_kind_of_object_need_not_look_like_a_pod(service: RunningService) -> None:
    uid = new_uid()
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert is_left_alone(service.post(injected_review(uid=uid, kind=kind, object={"spec": 7})))
    assert service.log(uid=uid)["reason"] == "not-a-pod"


def test_a_mirror_pod_is_allowed_untouched(service: RunningService) -> None:
    pod = injected_pod()
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "b4c6"
    assert is_left_alone(service.post(review_of(pod, uid=new_uid())))


@pytest.mark.parametrize("absent", [{"object": None}, {"object": {}}])
def test_a_review_without_a_pod_is_allowed_with_a_warning(service: RunningService, absent: dict[str, Any]) -> None:
    reply = service.post(injected_review(**absent))
    assert is_left_alone(reply)
    assert len(reply.response["warnings"]) == 1


def test_an_annotation_that_means_nothing_is_warned_about_and_stops_no_task(service: RunningService) -> None:
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "natvie\n\u00e9"
    review = review_of(pod, uid=new_uid())
    reply = service.post(review)
    verify(review, reply.body)
    assert patch_of(reply)
    assert reply.response["warnings"] == [
        "annotation airflow-sidecar-webhook/mode is ignored: allowed is auto, native, wrap, label-only, off"
    ]


@pytest.mark.parametrize("query", ["", "?timeout=10s", "?timeout=1s&timeout=2s", "?", "?%00%ff=%"])
def test_the_query_makes_no_difference(service: RunningService, query: str) -> None:
    review = review_of(load("admission-simulated/airflow-3.3.2-provider-10.25.0/ke_default.json"), uid=new_uid())
    reply = service.post(review, path=f"/mutate{query}")
    verify(review, reply.body)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "APPLICATION/JSON", " application/json "],
)
def test_json_may_be_declared_with_parameters_and_in_any_case(service: RunningService, content_type: str) -> None:
    review = injected_review()
    verify(review, service.post(review, {"Content-Type": content_type}).body)


def test_a_body_in_chunks_is_a_body(service: RunningService) -> None:
    review = injected_review()
    client = service.connect()
    pieces = (review[start : start + 1000] for start in range(0, len(review), 1000))
    client.request("POST", "/mutate", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
    verify(review, client.getresponse().read())
    client.close()


def test_a_pod_as_large_as_the_api_server_takes_is_answered(service: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0]["env"] = [{"name": f"V{number}", "value": "x" * 1000} for number in range(3000)]
    review = review_of(pod, uid=new_uid())
    assert 3_000_000 < len(review) < 4 * 1024 * 1024
    verify(review, service.post(review).body)
