"""What the API server makes of a mutating webhook's reply to a v1 review.

A port of `VerifyAdmissionResponse` and of what `callAttrMutatingHook` does next (k8s.io/apiserver
pkg/admission/plugin/webhook, request/admissionreview.go and mutating/dispatcher.go). It is stricter
than the API server in these points, each of which would be a fault of this product: a denial, a
field that the API server would drop in silence, a warning that it would cut or lose, `replace` of
an absent key (which gopkg.in/evanphx/json-patch.v4 takes for `add`), negative list indices,
replacing the whole document.

It cannot show: defaulting, conversion, quotas, other admission plugins, the 3 MiB limit on `copy`.
"""

from __future__ import annotations

import base64
import binascii
import json
import unicodedata
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

import jsonpatch
import jsonpointer

from tests.support.oracles import pod_schema, pod_validation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

# k8s.io/apiserver pkg/endpoints/filters/warning.go: truncateItemRunes, truncateAtTotalRunes
MAX_WARNING_RUNES = 256
MAX_WARNINGS_TOTAL_RUNES = 4096

# kubernetes/api admission/v1/types.go AdmissionResponse
_RESPONSE_TYPES: dict[str, type] = {
    "uid": str,
    "allowed": bool,
    "status": dict,
    "patch": str,
    "patchType": str,
    "auditAnnotations": dict,
    "warnings": list,
}

# kubernetes/apimachinery pkg/apis/meta/v1/types.go Status
_STATUS_TYPES: dict[str, type] = {
    "kind": str,
    "apiVersion": str,
    "metadata": dict,
    "status": str,
    "message": str,
    "reason": str,
    "details": dict,
    "code": int,
}

# What Go's encoding/json escapes inside a string and others do not.
_GO_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class Refused(AssertionError):  # noqa: N818 - reads as what the API server did
    """The API server would not have taken this reply, or the pod that comes of it."""


def verify(review_request: bytes | JSONObject, reply_body: bytes) -> JSONObject:
    """Take a reply as the API server would and give the pod that is stored.

    `review_request` is the whole AdmissionReview as it was sent to the webhook, `reply_body` the
    body of its HTTP 200. The pod is a new object; the request's own stays untouched. Raises
    `Refused` where the reply, its patch or the patched pod is not valid.
    """
    before = _request(review_request)["object"]
    after = apply_reply(review_request, reply_body)
    errors = pod_validation.validate(after)
    if errors:
        _refuse(f'Pod "{_name(after)}" is invalid: {"; ".join(errors)}')
    _check_nothing_vanishes(before, after)
    return after


def verify_no_worse(review_request: bytes | JSONObject, reply_body: bytes) -> JSONObject:
    """Do as `verify` does, for a pod that may have been invalid before the webhook was called.

    Raises `Refused` where the patch adds an error to the pod's own.
    """
    before = _request(review_request)["object"]
    after = apply_reply(review_request, reply_body)
    if after == before:
        return after
    errors = set(pod_validation.validate(after)) - set(pod_validation.validate(before))
    if errors:
        _refuse(f'Pod "{_name(after)}" has become invalid: {"; ".join(sorted(errors))}')
    _check_nothing_vanishes(before, after)
    return after


def apply_reply(review_request: bytes | JSONObject, reply_body: bytes) -> JSONObject:
    """Do as `verify` does, up to the patched pod, which is not validated.

    For pods that were invalid before the webhook was called.
    """
    request = _request(review_request)
    response = _response(reply_body, request["uid"])
    _check_outcome(response)
    patch = _patch_bytes(response)
    return _apply(request["object"], patch) if patch else _copy(request["object"])


def _refuse(message: str, cause: Exception | None = None) -> NoReturn:
    raise Refused(message) from cause


def _refuse_response(message: str) -> NoReturn:
    _refuse(f"received invalid webhook response: {message}")


def _refuse_patch(message: str, cause: Exception | None = None) -> NoReturn:
    # An internal error to dispatcher.go, so that failurePolicy Ignore does not help the pod.
    _refuse(f"Internal error occurred: {message}", cause)


def _request(review_request: bytes | JSONObject) -> JSONObject:
    review = json.loads(review_request) if isinstance(review_request, bytes) else review_request
    request: JSONObject = review["request"]
    return request


def _name(pod: JSONObject) -> str:
    metadata = pod["metadata"]
    return str(metadata.get("name") or metadata.get("generateName"))


def _response(reply_body: bytes, uid: str) -> JSONObject:
    review = _decode_review(reply_body)
    response = review.get("response")
    if response is None:
        _refuse_response("webhook response was absent")
    _check_types("response", response, _RESPONSE_TYPES)
    if response.get("uid") != uid:
        _refuse_response(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    _check_kind(review)
    return {field: value for field, value in response.items() if value is not None}


def _decode_review(reply_body: bytes) -> JSONObject:
    try:
        review = json.loads(reply_body.decode(), parse_constant=_refuse_response)
    except ValueError as error:
        _refuse(f"failed to call webhook: {error}", error)
    if not isinstance(review, dict):
        _refuse_response(f"expected a JSON object, got {review!r}")
    return review


def _check_types(where: str, given: object, types: dict[str, type]) -> None:
    if not isinstance(given, dict):
        _refuse_response(f"{where} is no object: {given!r}")
    for field, value in given.items():
        if field not in types:
            _refuse_response(f"{where}.{field} is unknown and would be dropped")
        if value is not None and type(value) is not types[field]:
            _refuse_response(f"{where}.{field} is no {types[field].__name__}: {value!r}")


def _check_kind(review: JSONObject) -> None:
    got = (review.get("apiVersion"), review.get("kind"))
    if got != (API_VERSION, KIND):
        wanted = f"{API_VERSION}, Kind={KIND}"
        _refuse_response(f"expected webhook response of {wanted}, got {got[0]}, Kind={got[1]}")


def _check_outcome(response: JSONObject) -> None:
    status = response.get("status", {})
    _check_types("response.status", status, _STATUS_TYPES)
    if response.get("allowed") is not True:
        _refuse(f"admission webhook denied the request: {status.get('message', 'without explanation')}")
    code = status.get("code") or HTTPStatus.OK
    if status.get("status") == "Failure" or code >= HTTPStatus.BAD_REQUEST:
        _refuse_response("response.status is a failure, but response.allowed is true")
    _check_audit_annotations(response.get("auditAnnotations", {}))
    _check_warnings(response.get("warnings", []))


def _check_audit_annotations(annotations: JSONObject) -> None:
    for key, value in annotations.items():
        if not isinstance(value, str):
            _refuse_response(f"response.auditAnnotations[{key}] is no string: {value!r}")
        # The API server puts the webhook's name and a slash in front, then wants a qualified name
        # (k8s.io/apiserver pkg/admission/attributes.go checkKeyFormat).
        problems = pod_validation.qualified_name_problems(f"webhook.example/{key}")
        if problems:
            _refuse_response(f"response.auditAnnotations[{key}]: {problems[0]}")


def _check_warnings(warnings: list[Any]) -> None:
    for warning in warnings:
        _check_warning(warning)
    total = sum(map(len, warnings))
    if total > MAX_WARNINGS_TOTAL_RUNES:
        _refuse_response(f"response.warnings has {total} characters, the API server drops them above 4096")


def _check_warning(warning: object) -> None:
    if not isinstance(warning, str):
        _refuse_response(f"response.warnings holds no string: {warning!r}")
    if len(warning) > MAX_WARNING_RUNES:
        _refuse_response(f"response.warnings: over 256 characters, would be cut: {warning!r}")
    if any(unicodedata.category(character) == "Cc" for character in warning):
        _refuse_response(f"response.warnings: control character, would be lost: {warning!r}")


def _patch_bytes(response: JSONObject) -> bytes:
    patch, patch_type = response.get("patch", ""), response.get("patchType")
    if patch and patch_type is None:
        _refuse_response("webhook returned response.patch but not response.patchType")
    if not patch and patch_type is not None:
        _refuse_response("webhook returned response.patchType but not response.patch")
    if patch_type not in {None, "JSONPatch"}:
        _refuse(f'unsupported patch type "{patch_type}"')
    try:
        return base64.b64decode(patch, validate=True)
    except (binascii.Error, ValueError) as error:
        _refuse(f"failed to call webhook: illegal base64 data in response.patch: {error}", error)


def _copy(pod: JSONObject) -> JSONObject:
    """A copy by way of JSON, which takes deeper nesting than `copy.deepcopy`: as deep as the review itself was read."""
    copied: JSONObject = json.loads(json.dumps(pod))
    return copied


def _apply(pod: JSONObject, patch: bytes) -> JSONObject:
    document = _copy(pod)
    for operation in _operations(patch):
        _check_operation(operation, document, patch)
        document = _apply_one(document, operation)
    return document


def _operations(patch: bytes) -> list[JSONObject]:
    try:
        operations = json.loads(patch.decode())
    except ValueError as error:
        _refuse(f"received undecodable patch in webhook response: {error}", error)
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        _refuse("received undecodable patch in webhook response: expected an array of objects")
    return operations


def _check_operation(operation: JSONObject, pod: JSONObject, patch: bytes) -> None:
    for member in ("path", "from"):
        pointer = operation.get(member, "/")
        if not isinstance(pointer, str) or not pointer.startswith("/"):
            _refuse_patch(f"doc is missing {member}: {pointer!r} does not begin with a slash")
    if operation.get("op") == "test":
        _check_test(operation, pod, patch)


def _check_test(operation: JSONObject, pod: JSONObject, patch: bytes) -> None:
    """Compare as json-patch v4 does (patch.go lazyNode.equal): scalars by their encoded bytes.

    The pod is encoded by Go, which writes `<` as an escape. A patch that holds the plain character
    fails its test there, although the strings are equal.
    """
    found = jsonpointer.resolve_pointer(pod, operation.get("path", ""), None)
    expected = operation.get("value")
    same = json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)
    if not same or any(_go_encoded(text) not in patch for text in _strings(expected)):
        _refuse_patch(f"testing value {operation.get('path')} failed: test failed")


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)


def _go_encoded(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).translate(_GO_ESCAPES).encode()


def _apply_one(document: JSONObject, operation: JSONObject) -> JSONObject:
    try:
        patched: JSONObject = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    # TypeError is the library's answer where the parent is a string or a number.
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        path = operation.get("path")
        _refuse_patch(f"{operation.get('op')} operation does not apply: {path}: {error}", error)
    return patched


def _check_nothing_vanishes(before: JSONObject, after: JSONObject) -> None:
    """Find fields that the patch brought and no API type has: the decoder drops them without an error.

    Compared by name and not by path, since a container may have moved with a field that the user wrote.
    """
    known_before = {path.rpartition(".")[2] for path in pod_schema.unknown_fields(before)}
    brought = [path for path in pod_schema.unknown_fields(after) if path.rpartition(".")[2] not in known_before]
    if brought:
        _refuse(f"unknown field, dropped by the API server: {', '.join(brought)}")
