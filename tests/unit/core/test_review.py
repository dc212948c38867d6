"""AdmissionReview v1 in and out."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.oracles.admission import verify
from tests.support.pods import container, load, review_of
from webhook.core.admission import admit
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.errors import MalformedReviewError
from webhook.core.pod import MAX_COMMAS
from webhook.core.review import (
    MAX_WARNING_CHARACTERS,
    GroupVersionKind,
    ReviewRequest,
    parse_review,
    render_review,
    warning_text,
)

if TYPE_CHECKING:
    from webhook.core.patch import Operation
    from webhook.core.policy import Policy

POD = load("airflow-3.3.2-provider-10.25.0/ke_default.json")

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
A_POD = GroupVersionKind("", "v1", "Pod")
LARGE = b'{"metadata":{"name":"large"},"items":[' + b"0," * MAX_COMMAS + b"0]}"

NOT_OURS: dict[str, tuple[dict[str, Any], str]] = {
    "another kind": (
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "object": {"spec": {"containers": 1}}},
        "not-a-pod",
    ),
    "a Pod of another group": ({"kind": {"group": "metrics.k8s.io", "version": "v1", "kind": "Pod"}}, "not-a-pod"),
    "an update": ({"operation": "UPDATE"}, "not-a-create"),
    "a deletion, which has no object": ({"operation": "DELETE", "object": None}, "not-a-create"),
    "a subresource": ({"subResource": "ephemeralcontainers"}, "subresource"),
    "no object": ({"object": None}, "malformed-pod"),
}


@pytest.mark.parametrize(("request_fields", "reason"), NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_not_our_concern_is_allowed_without_a_patch(request_fields: dict[str, Any], reason: str, policy: Policy) -> None:
    request = parse_review(review_of(POD, **request_fields))
    outcome = admit(request, policy, UNKNOWN_CLUSTER)
    answer = json.loads(render_review(request.uid, outcome.operations, outcome.warnings))

    assert outcome.reason == reason
    assert answer["response"].keys() - {"warnings"} == {"uid", "allowed"}


def test_a_dry_run_is_answered_the_same(policy: Policy) -> None:
    answers = []
    for dry_run in (True, False, None):
        request = parse_review(review_of(POD, dryRun=dry_run))
        answers.append(render_review(request.uid, admit(request, policy, UNKNOWN_CLUSTER).operations))

    assert answers[0] == answers[1] == answers[2]


def test_the_namespace_and_name_are_the_requests_where_the_object_has_none() -> None:
    pod = POD | {"metadata": {"generateName": "prod-create-user-"}}
    request = parse_review(review_of(pod, namespace="data", name=""))

    assert (request.namespace, request.name) == ("data", "prod-create-user-")


def test_a_request_has_everything_that_the_api_server_says() -> None:
    body = review_of({"metadata": {"name": "own"}, "spec": {"containers": []}}, subResource="status", name="task", dryRun=True)
    request = parse_review(body)

    assert request == ReviewRequest(UID, A_POD, "CREATE", "status", "airflow", "task", dry_run=True, pod=request.pod, problem="")
    assert request.pod is not None
    assert request.pod.metadata.name == "own"


@pytest.mark.parametrize(
    ("pod", "is_too_large"), [(b"null", False), (LARGE, True)], ids=["without an object", "with an object that is too large to be read"]
)
def test_a_request_without_a_pod_has_the_texts_of_none(pod: bytes, is_too_large: bool) -> None:
    body = review_of("POD", subResource=None, namespace=None, dryRun=None).replace(b'"POD"', pod)

    assert parse_review(body) == ReviewRequest(
        UID, A_POD, "CREATE", "", "", "", dry_run=False, pod=None, problem="request.object is absent", is_too_large=is_too_large
    )


WRONG_TYPES = {
    "$.metadata": 1, "$.metadata.name": [], "$.metadata.labels": "x", "$.metadata.labels.a": 1, "$.metadata.annotations": ["x"],
    "$.metadata.annotations.a": None, "$.spec": None, "$.spec.containers": {}, "$.spec.containers[0]": "base", "$.spec.containers[0].name": 1,
    "$.spec.containers[0].command": "sh", "$.spec.containers[0].args": [1], "$.spec.initContainers": 1,
    "$.spec.volumes": "x", "$.spec.restartPolicy": 1, "$.spec.hostNetwork": "yes", "$.spec.os": "linux",
}  # fmt: skip


@pytest.mark.parametrize(("path", "value"), WRONG_TYPES.items())
def test_a_field_of_a_wrong_type_leaves_the_pod_and_names_the_field(path: str, value: Any, policy: Policy) -> None:
    pod = json.loads(json.dumps(POD))
    place, steps = pod, path.replace("[0]", ".0").split(".")[1:]
    for step in steps[:-1]:
        place = place[0] if step == "0" else place.setdefault(step, {})
    if steps[-1] == "0":
        place[0] = value
    else:
        place[steps[-1]] = value
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, policy, UNKNOWN_CLUSTER)

    assert outcome.reason == "malformed-pod"
    assert outcome.operations == ()
    # The key of a map could hold anything, so it is not named.
    named = path.replace(".labels.a", ".labels[...]").replace(".annotations.a", ".annotations[...]")
    assert outcome.warnings[0].endswith(f"at `$.request.object{named[1:]}`") or f"$.request.object{named[1:]}[0]`" in outcome.warnings[0]


def test_a_field_that_only_some_rule_reads_is_noticed_when_one_does(policy: Policy) -> None:
    pod = inject_istio(POD)
    container(pod, "istio-proxy")["env"] = [{"name": 1}]
    outcome = admit(parse_review(review_of(pod)), policy, UNKNOWN_CLUSTER)

    assert outcome.reason == "malformed-pod"
    assert outcome.warnings == ("airflow-sidecar-webhook leaves the pod unchanged: Expected `str`, got `int` - at `$[0].name` of env",)


def test_a_pod_of_more_containers_than_any_real_one_is_not_read(policy: Policy) -> None:
    pod = POD | {"spec": {"containers": [{"name": f"c{number}"} for number in range(65)], "restartPolicy": "Never"}}

    assert admit(parse_review(review_of(pod)), policy, UNKNOWN_CLUSTER).reason == "too-many-containers"


MALFORMED = {
    b"": "Input data was truncated",
    b"{": "truncated",
    b"[]": "Expected `object`, got `array`",
    b"{}": "missing required field `apiVersion`",
    b"nonsense": "malformed",
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}': "missing required field `request`",
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}': "Expected `object`, got `null`",
    review_of(POD, uid=""): "request.uid is empty",
    review_of(POD, uid=7): r"Expected `str`, got `int` - at `$.request.uid`",
    review_of(POD).replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"): "apiVersion and kind",
    review_of(POD).replace(b"AdmissionReview", b"ConversionReview"): "apiVersion and kind",
    review_of(POD).replace(b"airflow-worker", b"\xff"): "not UTF-8",
    b'{"apiVersion":' + b"[" * 100_000: "Expected `str`, got `array`",
}


@pytest.mark.parametrize(("body", "problem"), MALFORMED.items(), ids=MALFORMED.values())
def test_a_body_that_is_no_review_is_refused_in_words(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedReviewError) as refusal:
        parse_review(body)

    assert str(refusal.value).startswith("the body is ")
    assert problem in str(refusal.value)


NO_REVIEW = "the body is not an AdmissionReview of admission.k8s.io/v1: "


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (review_of(POD, uid=""), f"{NO_REVIEW}request.uid is empty"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"Other"}', f"{NO_REVIEW}its apiVersion and kind say something else"),
        (b'{"apiVersion":"other/v1","kind":"AdmissionReview"}', f"{NO_REVIEW}its apiVersion and kind say something else"),
        (b'{"apiVersion":"other/v1"}', f"{NO_REVIEW}Object missing required field `kind`"),
        (b'{"apiVersion":1,"kind":"Other"}', f"{NO_REVIEW}Expected `str`, got `int` - at `$.apiVersion`"),
        (b'{"apiVersion":"other/v1","kind":1}', f"{NO_REVIEW}Expected `str`, got `int` - at `$.kind`"),
        (review_of(POD, uid="\u00fc").replace("\u00fc".encode(), b"ab\xff"), "the body is not UTF-8 at byte 2 of a text"),
    ],
)
def test_the_refusal_of_a_body_says_what_is_wrong_with_it(body: bytes, words: str) -> None:
    with pytest.raises(MalformedReviewError) as refusal:
        parse_review(body)

    assert str(refusal.value) == words


def test_an_answer_that_changes_nothing_has_no_patch() -> None:
    assert json.loads(render_review("u")) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u", "allowed": True},
    }


def test_an_answer_has_patch_and_warnings_as_the_api_server_reads_them() -> None:
    operations: tuple[Operation, ...] = ({"op": "add", "path": "/metadata/labels/a", "value": "b"},)
    response = json.loads(render_review("u", operations, ("one\n", "two")))["response"]
    patch = response.pop("patch")

    assert json.loads(base64.b64decode(patch)) == list(operations)
    assert response == {"uid": "u", "allowed": True, "patchType": "JSONPatch", "warnings": ["one?", "two"]}


def test_many_warnings_share_the_room_of_all() -> None:
    warnings = json.loads(render_review("u", (), ("x" * 200,) * 40))["response"]["warnings"]

    assert warnings == ["x" * (4096 // 40)] * 40


@pytest.mark.parametrize(
    "head",
    [b'{"other":', b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","object":'],
    ids=["beside the request", "as the object"],
)
def test_a_body_that_is_nested_without_end_is_refused_in_words(head: bytes) -> None:
    # Up to Python 3.13 levels are counted; from 3.14 on it is the stack, which may last until the end that is missing here.
    with pytest.raises(MalformedReviewError, match=r"^the body is (nested deeper than any pod|not .*: Input data was truncated)$"):
        parse_review(head + b"[" * 100_000)


def test_of_a_key_that_stands_twice_the_last_one_counts_as_for_the_api_server(policy: Policy) -> None:
    body = review_of(POD).replace(b'"operation":"CREATE"', b'"operation":"DELETE","operation":"CREATE"')
    request = parse_review(body)

    assert admit(request, policy, UNKNOWN_CLUSTER).result == "labelled"
    assert verify(body, render_review(request.uid, admit(request, policy, UNKNOWN_CLUSTER).operations))


def test_a_warning_fits_into_a_header() -> None:
    text = warning_text("a\nb\x00ü" + "x" * 1000)

    assert text == "a?b??" + "x" * (MAX_WARNING_CHARACTERS - 5)


def test_the_pod_is_not_in_the_requests_representation() -> None:
    assert repr(parse_review(review_of(POD))) == f"ReviewRequest(uid='{UID}', operation='CREATE')"
