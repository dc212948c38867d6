"""Bodies that no API server sends: each gets a clear answer, and the next review is served (`attacked` checks that, and the memory)."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.reviews import all_secrets, injected_pod, injected_review, is_left_alone, new_uid, patch_of
from tests.service.running_service import read_reply, read_to_end, request_bytes, running_service, send_all
from tests.support.oracles.admission import apply_reply, verify
from tests.support.pods import review_of
from webhook.core.names import PREFIX
from webhook.core.pod import MAX_BRACKETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.running_service import Reply, RunningService
    from tests.support.json_object import JSONObject


TEN_MEGABYTES = 10 * 1024 * 1024
DEPTH = 100_000
REQUEST = b'"request":{'
OBJECT = b'"object":{'

WRONG: dict[str, tuple[object, ...]] = {
    "text": (7, 1.5, True, ["a"], {"a": "b"}),
    "list": (7, "a", True, {"a": "b"}),
    "object": (7, "a", True, ["a"]),
    "bool": (7, "true", ["a"], {"a": "b"}),
}

FIELDS = {
    "metadata": "object",
    "metadata.name": "text",
    "metadata.generateName": "text",
    "metadata.namespace": "text",
    "metadata.labels": "object",
    "metadata.labels[kubernetes_executor]": "text",
    "metadata.annotations": "object",
    "metadata.annotations[sidecar.istio.io/status]": "text",
    "metadata.ownerReferences": "list",
    "metadata.ownerReferences[0]": "object",
    "metadata.ownerReferences[0].kind": "text",
    "metadata.ownerReferences[0].controller": "bool",
    "spec": "object",
    "spec.containers": "list",
    "spec.containers[0]": "object",
    "spec.containers[0].name": "text",
    "spec.containers[0].image": "text",
    "spec.containers[0].command": "list",
    "spec.containers[0].command[0]": "text",
    "spec.containers[0].args": "list",
    "spec.containers[0].args[0]": "text",
    "spec.containers[0].restartPolicy": "text",
    "spec.initContainers": "list",
    "spec.initContainers[0]": "object",
    "spec.volumes": "list",
    "spec.volumes[0]": "object",
    "spec.volumes[0].name": "text",
    "spec.restartPolicy": "text",
    "spec.hostNetwork": "bool",
    "spec.os": "object",
    "spec.os.name": "text",
}
"""Every field that is read of each pod, and what it holds."""

SIDECARS_FIELDS = {
    "spec.containers[1].env": "list",
    "spec.containers[1].env[0]": "object",
    "spec.containers[1].env[0].name": "text",
    "spec.containers[1].env[0].value": "text",
}
"""What is read only for a rule about a sidecar."""

HELPERS_FIELDS = {
    "spec.containers[0].resources": "object",
    "spec.containers[0].securityContext": "object",
    "spec.containers[0].volumeMounts": "list",
    "spec.containers[0].volumeMounts[0]": "object",
    "spec.containers[0].volumeMounts[0].name": "text",
    "spec.securityContext": "object",
}
"""What is read when the image has no shell, and the helper that brings one must fit into the pod."""

REQUIRED = (
    "metadata",
    "spec",
    "spec.containers",
    "spec.containers[0].name",
    "spec.volumes[0].name",
)


def _whole_pod() -> JSONObject:
    """A pod in which every field of the table is there."""
    pod = injected_pod()
    pod["metadata"]["generateName"] = "a-"
    pod["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "a", "controller": True}]
    pod["spec"] |= {"os": {"name": "linux"}, "hostNetwork": False, "volumes": [{"name": "v"}]}
    pod["spec"]["initContainers"] = [{"name": "first", "image": "a"}]
    pod["spec"]["containers"][0] |= {"command": ["a"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    pod["spec"]["containers"][1]["env"] = [{"name": "A", "value": "b"}]
    return pod


def _steps(field: str) -> list[str | int]:
    """``spec.containers[0].name`` as keys and indices; what stands in brackets may hold dots."""
    steps: list[str | int] = []
    for part in field.replace("]", "").split("["):
        if steps and part.partition(".")[0].isdigit():
            index, _dot, part = part.partition(".")  # noqa: PLW2901 - the rest of this part
            steps.append(int(index))
        elif "/" in part:
            steps.append(part)
            continue
        steps += [key for key in part.split(".") if key]
    return steps


def _with(field: str, value: object) -> JSONObject:
    pod = _whole_pod()
    *above, last = _steps(field)
    parent: Any = pod
    for step in above:
        parent = parent[step]
    parent[last] = value
    return pod


def _named(field: str) -> str:
    """The field as a warning shows it: keys of users are left out, since they may say too much."""
    place, bracket, key = field.partition("[")
    return f"`$.request.object.{place}[...]`" if bracket and not key[0].isdigit() else f"`$.request.object.{field}`"


def _cases(fields: dict[str, str]) -> list[tuple[str, object]]:
    return [(field, wrong) for field, kind in fields.items() for wrong in WRONG[kind]]


def test_the_pod_of_the_table_is_wrapped_while_nothing_is_wrong_with_it(service: RunningService, helped_service: RunningService) -> None:
    review = review_of(_whole_pod(), uid=new_uid())
    assert patch_of(service.post(review))
    assert patch_of(helped_service.post(review))


@pytest.mark.parametrize(("field", "wrong"), _cases(FIELDS), ids=lambda value: str(value).replace(".", " "))
def test_a_field_of_the_wrong_type_leaves_the_pod_alone_and_the_warning_names_it(
    service: RunningService, field: str, wrong: object
) -> None:
    review = review_of(_with(field, wrong), uid=new_uid())
    reply = service.post(review)
    assert is_left_alone(reply)
    (warning,) = reply.response["warnings"]
    assert warning.startswith("airflow-sidecar-webhook leaves the pod unchanged: Expected ")
    assert warning.endswith(_named(field))
    assert apply_reply(review, reply.body) == _with(field, wrong)


def _is_left_for(service: RunningService, field: str, wrong: object, shell: str) -> bool:
    """Whether the pod is left alone with a warning that names the last named field above the wrong value."""
    pod = _with(field, wrong)
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/shell"] = shell
    review = review_of(pod, uid=new_uid())
    reply = service.post(review)
    assert apply_reply(review, reply.body) == pod
    (warning,) = reply.response["warnings"]
    name = next(part for part in ("env", "resources", "securityContext", "volumeMounts") if part in field)
    return (
        is_left_alone(reply)
        and warning.startswith("airflow-sidecar-webhook leaves the pod unchanged: Expected ")
        and warning.endswith(f" of {name}")
    )


@pytest.mark.parametrize(("field", "wrong"), [*_cases(SIDECARS_FIELDS), ("spec.containers[1].env[0].name", None)], ids=str)
def test_so_does_one_that_only_a_rule_about_sidecars_reads(service: RunningService, field: str, wrong: object) -> None:
    assert _is_left_for(service, field, wrong, "image")


@pytest.fixture(scope="module")
def helped_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("helped"), helper_image="registry.example/helper:1") as service:
        yield service


@pytest.mark.parametrize(("field", "wrong"), [*_cases(HELPERS_FIELDS), ("spec.containers[0].volumeMounts[0].name", None)], ids=str)
def test_so_does_one_that_only_the_helper_must_fit_into(helped_service: RunningService, field: str, wrong: object) -> None:
    assert _is_left_for(helped_service, field, wrong, "helper")


def _is_no_fault(service: RunningService, review: bytes) -> bool:
    """Whether a review is answered with 400 or left alone, and not counted as a bug of the webhook's own."""
    faults = service.metric("faults_total")
    reply = service.post(review)
    return (reply.status == 400 or reply.response["allowed"] is True) and service.metric("faults_total") == faults


@pytest.mark.parametrize("damage", [b"\xff", rb"\ud800", rb"\x", b"\n"], ids=repr)
def test_a_text_of_an_environment_that_cannot_be_read_is_no_fault_of_ours(helped_service: RunningService, damage: bytes) -> None:
    review = review_of(_whole_pod(), uid=new_uid())
    assert b'"value":"b"' in review
    assert _is_no_fault(helped_service, review.replace(b'"value":"b"', b'"value":"%b"' % damage))


@pytest.mark.parametrize("depth", [*range(100, 2000, 100), DEPTH])
def test_an_environment_of_any_depth_is_no_fault_of_ours(helped_service: RunningService, depth: int) -> None:
    review = review_of(_whole_pod(), uid=new_uid())
    assert _is_no_fault(helped_service, review.replace(b'"value":"b"', b'"value":"b","deep":' + b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_that_is_null_leaves_the_pod_alone_and_the_warning_names_it(service: RunningService, field: str) -> None:
    reply = service.post(review_of(_with(field, None), uid=new_uid()))
    assert is_left_alone(reply)
    assert reply.response["warnings"][0].endswith(_named(field))


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - set(REQUIRED)))
def test_an_optional_field_may_be_null(service: RunningService, field: str) -> None:
    reply = service.post(review_of(_with(field, None), uid=new_uid()))
    assert reply.status == 200
    # Elements of lists and the values of labels cannot be null in the Pod API.
    assert patch_of(reply) or field.endswith("]") or field.startswith(("spec.restartPolicy", "metadata.labels"))


def test_ten_megabytes_with_a_length_are_413_before_they_arrive(attacked: RunningService) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % TEN_MEGABYTES))
        assert read_reply(stream).status == 413


@pytest.mark.parametrize("head", ["Content-Length: 10485760", "Transfer-Encoding: chunked"])
def test_ten_megabytes_that_come_all_the_same_are_413(attacked: RunningService, head: str) -> None:
    body = b"a00000\r\n" + b" " * TEN_MEGABYTES + b"\r\n0\r\n\r\n"
    with attacked.tls() as stream:
        send_all(stream, request_bytes(b"").replace(b"Content-Length: 0", head.encode()) + body)
        reply = read_reply(stream)
        assert (reply.status, reply.body) == (413, b"the body is larger than 4194304 bytes\n")
        assert reply.headers["connection"] == "close"


def test_chunks_without_end_are_413_as_soon_as_they_are_too_many(attacked: RunningService) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    with attacked.tls() as stream:
        send_all(stream, request_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunk * 1024)
        send_all(stream, chunk)
        assert read_reply(stream).status == 413


def test_a_length_that_lies_about_a_valid_review_is_answered_for_the_bytes_it_names(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        stream.sendall(request_bytes(review).replace(b"Content-Length: %d" % len(review), b"Content-Length: %d" % (len(review) - 1)))
        assert read_reply(stream).status == 400
        assert b" 200 " not in read_to_end(stream), "the last byte is no request"


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "99999999999999999999", "1, 2", "", "+5", "1\r\nContent-Length: 2"])
def test_a_length_that_is_no_number_is_refused(attacked: RunningService, length: str) -> None:
    with attacked.tls() as stream:
        stream.sendall(request_bytes(b"").replace(b"Content-Length: 0", f"Content-Length: {length}".encode()))
        assert read_reply(stream).status in {400, 413}


def test_both_a_length_and_chunks_are_refused_since_they_let_a_second_request_be_smuggled(attacked: RunningService) -> None:
    review = injected_review()
    with attacked.tls() as stream:
        stream.sendall(request_bytes(review, "Transfer-Encoding: chunked"))
        assert read_reply(stream).status == 400


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["lists", "objects"])
@pytest.mark.parametrize("place", [b"{", REQUEST, OBJECT], ids=["envelope", "request", "object"])
def test_what_is_nested_deeper_than_any_pod_is_400(attacked: RunningService, opening: bytes, place: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deep = b'"deep":' + opening * DEPTH + b"1" + closing * DEPTH + b","
    reply = attacked.post(injected_review().replace(place, place + deep, 1))
    if sys.version_info >= (3, 14) and reply.status == 200:
        # From 3.14 on the interpreter counts the stack in bytes, no longer the levels, and what nobody reads may fit. The oracle could not
        # read such a review.
        assert reply.response["allowed"] is True
        return
    assert reply.status == 400
    assert reply.body == b"the body is nested deeper than any pod\n"


def test_depth_that_never_ends_is_400(attacked: RunningService) -> None:
    assert attacked.post(b"[" * (4 * 1024 * 1024)).status == 400


def test_depth_within_an_annotation_of_ours_is_an_annotation_that_means_nothing(attacked: RunningService) -> None:
    pod, depth = injected_pod(), MAX_BRACKETS // 3
    pod["metadata"]["annotations"] |= {
        "airflow-sidecar-webhook/sidecars": "[" * depth,
        "airflow-sidecar-webhook/entrypoint": "[" * depth + "]" * depth,
        "proxy.istio.io/config": "{a: " * 1000,
    }
    reply = attacked.post(review_of(pod, uid=new_uid()))
    assert len(reply.response["warnings"]) == 2


def test_of_duplicate_keys_the_last_counts_as_in_the_api_server(attacked: RunningService) -> None:
    uid = new_uid()
    review = injected_review(uid=uid)
    twice = review.replace(b'"uid":', b'"uid":"first","uid":', 1).replace(b'"spec":{', b'"spec":{"containers":[],', 1)
    assert PREFIX in verify(twice, attacked.post(twice).body)["spec"]["containers"][0]["command"], "the containers are those of the last"
    emptied = review.replace(b'"object":{', b'"object":null,"object":{', 1)
    assert PREFIX in verify(emptied, attacked.post(emptied).body)["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"], ids=bytes.hex)
@pytest.mark.parametrize("place", [b'"kubernetes_executor":"True', b'"kubernetes_executor', b'"base', b'"uid":"', b'"operation":"'])
def test_a_text_that_a_rule_reads_and_that_is_not_utf_8_is_400(attacked: RunningService, bad: bytes, place: bytes) -> None:
    review = injected_review()
    assert place in review
    reply = attacked.post(review.replace(place, place + bad, 1))
    assert (reply.status, reply.body[:25]) == (400, b"the body is not UTF-8 at ")


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80"], ids=bytes.hex)
@pytest.mark.parametrize("place", [b'"request":{"', b'"object":{"', b'"terminationMessagePath":"', b'"imagePullPolicy":"'])
def test_what_no_rule_reads_need_not_be_utf_8_and_changes_nothing(attacked: RunningService, bad: bytes, place: bytes) -> None:
    review = injected_review()
    assert place in review
    extra = b'x%b":"%b","' % (bad, bad) if place.endswith(b'{"') else bad
    reply = attacked.post(review.replace(place, place + extra, 1))
    assert verify(review, reply.body)


@pytest.mark.parametrize(
    "escape", [rb"\ud800", rb"\udfff", rb"\ud800\ud800", rb"\ud83d", rb"\u-", rb"\u12-", rb"\x41", b"\x07", b"\n"], ids=repr
)
@pytest.mark.parametrize("place", [b'"kubernetes_executor":"', b'"uid":"', b'"name":"base'])
def test_half_a_character_and_other_bad_escapes_are_400(attacked: RunningService, escape: bytes, place: bytes) -> None:
    review = injected_review()
    assert place in review
    assert attacked.post(review.replace(place, place + escape, 1)).status == 400


@pytest.mark.parametrize("text", [rb"\u0000", rb"\u001b[2J", rb"\u2028", "\U0001f600".encode(), rb"\ud83d\ude00", rb"\r\n{}"], ids=repr)
def test_odd_characters_come_back_as_they_were_and_break_no_log_line(attacked: RunningService, text: bytes) -> None:
    uid = new_uid()
    review = (
        injected_review(uid=f"{uid}MARK").replace(b"MARK", text).replace(b'"namespace":"airflow"', b'"namespace":"air%bflow"' % text, 1)
    )
    reply = attacked.post(review)
    assert reply.response["uid"] == json.loads(review)["request"]["uid"]
    assert attacked.log(uid=reply.response["uid"])["event"] == "review"


@pytest.mark.parametrize("text", [rb"\u0000", rb"\u001b[2J", "\u00e9".encode()], ids=repr)
def test_odd_characters_in_the_command_line_reach_the_task_unchanged(attacked: RunningService, text: bytes) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0] |= {"command": ["MARK"], "args": ["MARK"]}
    review = review_of(pod, uid=new_uid()).replace(b"MARK", text)
    after = verify(review, attacked.post(review).body)
    main = after["spec"]["containers"][0]
    assert main["command"][-1] == main["args"][0] == json.loads(b'"%b"' % text)


def _many(count: int) -> dict[str, JSONObject]:
    """Pods that hold very many of something."""
    containers, annotated, labelled, argued = (injected_pod() for _ in range(4))
    containers["spec"]["containers"] += [{"name": f"c{number}"} for number in range(count)]
    annotated["metadata"]["annotations"] |= {f"a{number}": "" for number in range(count)}
    labelled["metadata"]["labels"] |= {f"a{number}": "" for number in range(count)}
    argued["spec"]["containers"][0]["args"] = ["a"] * count
    return {"containers": containers, "annotations": annotated, "labels": labelled, "args": argued}


@pytest.mark.parametrize("what", ["containers", "annotations", "labels", "args"])
def test_a_pod_with_very_many_of_something_is_answered(attacked: RunningService, what: str) -> None:
    review = review_of(_many(20_000)[what], uid=new_uid())
    reply = attacked.post(review)
    apply_reply(review, reply.body)


def test_a_number_of_a_million_digits_in_a_field_that_nobody_reads_is_skipped(attacked: RunningService) -> None:
    review = injected_review().replace(OBJECT, OBJECT + b'"n":' + b"9" * 1_000_000 + b",", 1)
    assert patch_of(attacked.post(review))


def test_a_million_digits_where_a_text_belongs_leave_the_pod_alone(attacked: RunningService) -> None:
    review = injected_review().replace(b'"restartPolicy":"Never"', b'"restartPolicy":' + b"9" * 1_000_000)
    assert is_left_alone(attacked.post(review))


def _answers(service: RunningService, bodies: list[bytes]) -> list[Reply]:
    return [service.post(body) for body in bodies]


def test_a_bad_review_never_brings_a_value_of_its_pod_into_the_answer(service: RunningService) -> None:
    review = injected_review()
    bodies = [review[: len(review) * part // 20] for part in range(20)]
    bodies += [review.replace(b'"args":[', b'"args":[7,'), review.replace(b'"env":[', b'"env":[{"name":7},'), review + review]
    text = b"".join(reply.body for reply in _answers(service, bodies)).decode()
    assert not [secret for secret in all_secrets() if secret in text]
