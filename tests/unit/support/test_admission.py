"""The admission oracle refuses the replies and the patches that the API server refuses.

A case is a change to a good reply.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.oracles import admission
from tests.support.valid_pod import BASE, NATIVE, POD, PROXY, UID, changed, reply, review

AIRFLOW_PODS = Path(__file__).parents[2] / "fixtures" / "airflow-pods"


def real_reviews() -> list[Path]:
    return sorted((AIRFLOW_PODS / "admission-simulated").rglob("*.json"))


def encoded(patch: object) -> str:
    text = patch if isinstance(patch, str) else json.dumps(patch)
    return base64.b64encode(text.encode()).decode()


def verify(given_reply: object, pod: dict[str, Any] = POD) -> dict[str, Any]:
    return admission.verify(review(pod), json.dumps(given_reply).encode())


def verify_patch(*operations: object) -> dict[str, Any]:
    return verify(reply(patch=encoded(list(operations)), patchType="JSONPatch"))


def test_a_reply_without_a_patch_leaves_the_pod_as_it_is() -> None:
    stored = verify(reply())

    assert stored == POD
    assert stored is not POD


def test_a_review_may_come_as_bytes() -> None:
    sent = json.dumps(review(POD)).encode()

    assert admission.verify(sent, json.dumps(reply()).encode()) == POD


def test_a_patch_is_applied_to_a_copy() -> None:
    before = copy.deepcopy(POD)
    label = {"op": "add", "path": "/metadata/labels/x", "value": "y"}
    end = {"op": "add", "path": "/spec/containers/2", "value": {"name": "last", "image": "i"}}

    stored = verify_patch(label, end)

    assert before == POD
    assert stored["metadata"]["labels"]["x"] == "y"
    assert [container["name"] for container in stored["spec"]["containers"]][2:] == ["last"]


def test_an_empty_patch_with_its_type_changes_nothing() -> None:
    assert verify_patch() == POD


def test_warnings_status_and_audit_annotations_of_the_right_form_pass() -> None:
    given_reply = reply(
        warnings=["x" * 256, "é" * 256],
        status={"code": 200, "message": ""},
        auditAnnotations={"decision": "native"},
    )

    assert verify(given_reply) == POD


INVALID_REPLIES: dict[str, tuple[object, str]] = {
    "it has a response": ({**reply(), "response": None}, "webhook response was absent"),
    "it is an object": ([], "expected a JSON object"),
    "its response is an object": ({**reply(), "response": "ok"}, "response is no object"),
    "it echoes the uid": (reply(uid="other"), f'expected response.uid="{UID}", got "other"'),
    "it has a uid": (reply(uid=None), f'expected response.uid="{UID}", got ""'),
    "its uid is a string": (reply(uid=1), "response.uid is no str"),
    "it has the version of the request": (
        {**reply(), "apiVersion": "admission.k8s.io/v1beta1"},
        "got admission.k8s.io/v1beta1, Kind=AdmissionReview",
    ),
    "it has a kind": (
        {**reply(), "kind": None},
        "expected webhook response of admission.k8s.io/v1",
    ),
    "it has a patch type with its patch": (
        reply(patch=encoded([])),
        "webhook returned response.patch but not response.patchType",
    ),
    "it has a patch with its patch type": (
        reply(patchType="JSONPatch"),
        "webhook returned response.patchType but not response.patch",
    ),
    "its patch type is JSONPatch": (
        reply(patch=encoded([]), patchType="MergePatch"),
        'unsupported patch type "MergePatch"',
    ),
    "its patch is base64": (reply(patch="[]", patchType="JSONPatch"), "illegal base64 data"),
    "its patch is JSON": (
        reply(patch=encoded("[{]"), patchType="JSONPatch"),
        "received undecodable patch in webhook response",
    ),
    "its patch is a list": (
        reply(patch=encoded({}), patchType="JSONPatch"),
        "received undecodable patch in webhook response",
    ),
    "it denies nothing": (
        reply(allowed=False, status={"message": "no"}),
        "admission webhook denied the request: no",
    ),
    "it says allowed": (reply(allowed=None), "admission webhook denied the request"),
    "it says allowed in a boolean": (reply(allowed="true"), "response.allowed is no bool"),
    "it has no field of its own making": (reply(warning=["x"]), "response.warning is unknown"),
    "its status has no field of its own making": (reply(status={"msg": ""}), "response.status.msg"),
    "its status code is a number": (
        reply(status={"code": "200"}),
        "response.status.code is no int",
    ),
    "its status is no failure": (reply(status={"status": "Failure"}), "response.status is a failure"),
    "its status code is no failure": (reply(status={"code": 500}), "response.status is a failure"),
    "its audit keys are bare": (
        reply(auditAnnotations={"example.com/reason": "x"}),
        "response.auditAnnotations[example.com/reason]",
    ),
    "its audit keys are names": (
        reply(auditAnnotations={"a reason": "x"}),
        "name part must consist",
    ),
    "its audit values are strings": (reply(auditAnnotations={"ops": 3}), "is no string: 3"),
    "its warnings are a list": (reply(warnings="x"), "response.warnings is no list"),
    "its warnings are strings": (reply(warnings=[1]), "response.warnings holds no string"),
    "a warning has at most 256 characters": (reply(warnings=["é" * 257]), "over 256 characters"),
    "a warning has one line": (reply(warnings=["a\nb"]), "control character"),
    "all warnings have at most 4096 characters": (
        reply(warnings=["x" * 256] * 17),
        "has 4352 characters",
    ),
}


@pytest.mark.parametrize(("given_reply", "error"), INVALID_REPLIES.values(), ids=INVALID_REPLIES.keys())
def test_a_reply_is_refused_unless(given_reply: object, error: str) -> None:
    with pytest.raises(admission.Refused) as refusal:
        verify(given_reply)

    assert error in str(refusal.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"response": NaN}'])
def test_a_reply_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(admission.Refused):
        admission.verify(review(POD), body)


IMPOSSIBLE_OPERATIONS: dict[str, dict[str, Any]] = {
    "the parent exists": {"op": "add", "path": "/metadata/absent/x", "value": ""},
    "the parent is no string": {"op": "add", "path": "/metadata/name/x", "value": ""},
    "the index is not beyond the end": {"op": "add", "path": "/spec/containers/3", "value": {}},
    "the index is a number": {"op": "add", "path": "/spec/containers/x", "value": {}},
    "the index is not negative": {"op": "add", "path": "/spec/containers/-1", "value": {}},
    "what is removed exists": {"op": "remove", "path": "/metadata/labels/absent"},
    "the removed item exists": {"op": "remove", "path": "/spec/containers/2"},
    "an item to remove is not past the end": {"op": "remove", "path": "/spec/containers/-"},
    "what is replaced exists": {"op": "replace", "path": "/metadata/labels/absent", "value": ""},
    "the replaced item exists": {"op": "replace", "path": "/spec/containers/2", "value": {}},
    "what is moved exists": {"op": "move", "from": "/spec/absent", "path": "/spec/x"},
    "what is copied exists": {"op": "copy", "from": "/spec/absent", "path": "/spec/x"},
    "its source is a path": {"op": "copy", "from": "spec", "path": "/spec/x"},
    "it has a source": {"op": "move", "path": "/spec/x"},
    "its path begins with a slash": {"op": "add", "path": "spec", "value": {}},
    "it leaves the document": {"op": "replace", "path": "", "value": {}},
    "its path is escaped": {"op": "add", "path": "/metadata/labels/a~2b", "value": ""},
    "it has a path": {"op": "add", "value": ""},
    "it has a value": {"op": "add", "path": "/metadata/labels/x"},
    "it is of a known kind": {"op": "merge", "path": "/metadata/labels/x", "value": ""},
    "its test holds": {"op": "test", "path": "/metadata/name", "value": "other"},
    "its test finds something": {"op": "test", "path": "/metadata/absent", "value": "x"},
    "its test distinguishes a boolean and a number": {
        "op": "test",
        "path": f"{NATIVE}/securityContext/runAsNonRoot",
        "value": 1,
    },
}


@pytest.mark.parametrize("operation", IMPOSSIBLE_OPERATIONS.values(), ids=IMPOSSIBLE_OPERATIONS.keys())
def test_an_operation_is_refused_unless(operation: dict[str, Any]) -> None:
    with pytest.raises(admission.Refused, match="Internal error occurred"):
        verify_patch(operation)


def test_an_operation_that_is_no_object_is_refused() -> None:
    with pytest.raises(admission.Refused, match="received undecodable patch"):
        verify_patch("add")


def test_a_test_of_the_right_value_passes() -> None:
    operation = {
        "op": "test",
        "path": f"{BASE}/resources/limits",
        "value": {"memory": "1Gi", "cpu": 1},
    }

    assert verify_patch(operation) == POD


def test_a_test_compares_the_bytes_that_go_writes() -> None:
    value = POD["metadata"]["annotations"]["dag_id"]
    operation = {"op": "test", "path": "/metadata/annotations/dag_id", "value": value}
    as_go_writes = json.dumps([operation], ensure_ascii=False)
    for character in "<&>":
        as_go_writes = as_go_writes.replace(character, f"\\u{ord(character):04x}")

    with pytest.raises(admission.Refused, match="testing value /metadata/annotations/dag_id failed"):
        verify_patch(operation)
    assert verify(reply(patch=encoded(as_go_writes), patchType="JSONPatch")) == POD


@pytest.mark.parametrize("path", ["/metadata/annotations", "/spec/containers/0/args"])
def test_a_test_compares_the_strings_inside_its_value_too(path: str) -> None:
    value: object = ["a & b"] if path.endswith("args") else {"x": "a & b"}
    operation = {"op": "test", "path": path, "value": value}
    given_reply = reply(patch=encoded([operation]), patchType="JSONPatch")

    with pytest.raises(admission.Refused, match=f"testing value {path} failed"):
        verify(given_reply, changed(POD, path, value))


def test_operations_apply_in_order_to_what_the_ones_before_left() -> None:
    stored = verify_patch(
        {"op": "remove", "path": "/spec/containers/1"},
        {
            "op": "add",
            "path": "/spec/initContainers/0",
            "value": {"name": "istio-proxy", "image": "i"},
        },
        {"op": "add", "path": "/spec/initContainers/0/restartPolicy", "value": "Always"},
        {"op": "copy", "from": "/metadata/labels", "path": "/spec/nodeSelector"},
        {"op": "remove", "path": "/metadata/labels/kubernetes_executor"},
    )

    assert stored["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert "kubernetes_executor" in stored["spec"]["nodeSelector"]


def test_a_patch_that_leaves_an_invalid_pod_is_refused_by_the_pods_name() -> None:
    operation = {"op": "add", "path": "/metadata/labels/x", "value": "v" * 64}

    with pytest.raises(admission.Refused, match=r'Pod "extract" is invalid: metadata\.labels: Invalid value'):
        verify_patch(operation)


def test_a_patch_may_be_applied_to_a_pod_that_was_invalid_already() -> None:
    invalid = changed(POD, "/metadata/labels/x", "v" * 64)

    assert admission.apply_reply(review(invalid), json.dumps(reply()).encode()) == invalid


def test_an_invalid_pod_keeps_its_errors_and_gets_no_new_one() -> None:
    invalid = changed(POD, "/spec/restartPolicy", "Sometimes")
    harmless, harmful = ({"op": "add", "path": "/metadata/labels/team", "value": value} for value in ("data", "not a label"))

    def patched(operation: object) -> dict[str, Any]:
        answer = reply(patch=encoded([operation]), patchType="JSONPatch")
        return admission.verify_no_worse(review(invalid), json.dumps(answer).encode())

    assert patched(harmless)["metadata"]["labels"]["team"] == "data"
    with pytest.raises(admission.Refused, match=r'Pod "extract" has become invalid: metadata\.labels'):
        patched(harmful)


def test_a_field_that_the_decoder_would_drop_is_refused() -> None:
    operation = {"op": "add", "path": f"{PROXY}/restartPolcy", "value": "Always"}

    with pytest.raises(admission.Refused, match=r"unknown field.*spec.containers\[1\].restartPolcy"):
        verify_patch(operation)


def test_a_field_of_the_future_may_move_with_its_container() -> None:
    container = {"name": "sidecar", "image": "i", "fieldOfTheFuture": 1}
    pod = changed(POD, "/spec/containers/-", container)
    move = {"op": "move", "from": "/spec/containers/2", "path": "/spec/initContainers/0"}

    stored = verify(reply(patch=encoded([move]), patchType="JSONPatch"), pod)

    assert stored["spec"]["initContainers"][0] == container


@pytest.mark.parametrize("path", real_reviews(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_review_of_an_airflow_pod_is_answered_by_its_uid_alone(path: Path) -> None:
    sent = path.read_bytes()
    request = json.loads(sent)["request"]
    answer = json.dumps(reply(uid=request["uid"])).encode()

    assert admission.verify(sent, answer) == request["object"]
