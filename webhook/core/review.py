"""AdmissionReview v1 on the wire: bytes to a request, an answer to bytes. Knows no rule.

Source: k8s.io/api admission/v1/types.go; what the API server accepts as an answer is in apiserver
pkg/admission/plugin/webhook/request/admissionreview.go: the uid echoed, apiVersion and kind exact, patch and patchType both or neither.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
import pybase64

from webhook.core.errors import MalformedReviewError
from webhook.core.pod import Pod, is_too_large
from webhook.core.pre_encoded import to_json

if TYPE_CHECKING:
    from webhook.core.patch import Operation

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

MAX_WARNING_CHARACTERS: Final = 256
"""A longer one may be cut (apiserver pkg/endpoints/filters/warning.go)."""

MAX_CHARACTERS_OF_ALL_WARNINGS: Final = 4096
"""Further ones are dropped (likewise)."""

_UNPRINTABLE: Final = re.compile(r"[^ -~]")

T = TypeVar("T", bound="_Request")


class GroupVersionKind(msgspec.Struct, frozen=True):
    """The kind of the object under review."""

    group: str = ""
    version: str = ""
    kind: str = ""


class _Request(msgspec.Struct, frozen=True):
    uid: str
    kind: GroupVersionKind
    operation: str
    subResource: str | None = None  # noqa: N815
    name: str | None = None
    namespace: str | None = None
    dryRun: bool | None = None  # noqa: N815


class _PodRequest(_Request, frozen=True):
    object: Pod | None = None


class _Review(msgspec.Struct, Generic[T], frozen=True):
    apiVersion: str  # noqa: N815
    kind: str
    request: T


class _Head(msgspec.Struct, frozen=True):
    apiVersion: str  # noqa: N815
    kind: str


_POD_REVIEW: Final = msgspec.json.Decoder(_Review[_PodRequest])
# For an object of any other kind or shape: what it holds is skipped, and never built: that takes fifty times as much memory as its JSON.
_ANY_REVIEW: Final = msgspec.json.Decoder(_Review[_Request])
_HEAD: Final = msgspec.json.Decoder(_Head)

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or not JSON of this shape."""


class ReviewRequest(msgspec.Struct, frozen=True):
    """One question of the API server's.

    Args:
        uid: Tracks the round trip; goes back as it came.
        kind: The kind of the object.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        subresource: Empty for the object itself.
        namespace: Where the object will be; the object itself may not say.
        name: Empty where the name is generated.
        dry_run: Whether nothing will be stored. The answer is the same.
        pod: The object; None where it is no pod, or not one by the Pod API's types.
        problem: Why there is no pod, in words without any value of the object.
        is_too_large: Whether the object was not read, since it has too many fields and items (`webhook.core.pod.MAX_COMMAS`).

    """

    uid: str
    kind: GroupVersionKind
    operation: str
    subresource: str
    namespace: str
    name: str
    dry_run: bool
    pod: Pod | None
    problem: str
    is_too_large: bool = False

    def __repr__(self) -> str:
        """Without the pod, which may hold secrets."""
        return f"ReviewRequest(uid={self.uid!r}, operation={self.operation!r})"


def parse_review(body: bytes) -> ReviewRequest:
    """Read a review.

    Raises:
        MalformedReviewError: The body is no AdmissionReview v1.

    """
    try:
        return _read(body)
    except _UNREADABLE as problem:
        raise MalformedReviewError(_in_words(problem)) from problem


def _read(body: bytes) -> ReviewRequest:
    if is_too_large(body):
        return msgspec.structs.replace(_from(_decode_any(body)), is_too_large=True)
    try:
        return _from(_POD_REVIEW.decode(body))
    except msgspec.ValidationError as problem:
        return _from(_decode_any(body), str(problem))


def _decode_any(body: bytes) -> _Review[_Request]:
    try:
        return _ANY_REVIEW.decode(body)
    except msgspec.ValidationError:
        # A review of another version lacks other things too: the version is what is wrong with it.
        with suppress(*_UNREADABLE):
            _check_version(_HEAD.decode(body))
        raise


def _check_version(head: _Head | _Review[Any]) -> None:
    if (head.apiVersion, head.kind) != (API_VERSION, KIND):
        message = f"the body is not an {KIND} of {API_VERSION}: its apiVersion and kind say something else"
        raise MalformedReviewError(message)


def _in_words(problem: Exception) -> str:
    match problem:
        case RecursionError():
            return "the body is nested deeper than any pod"
        case UnicodeDecodeError():
            return f"the body is not UTF-8 at byte {problem.start} of a text"
        case _:
            return f"the body is not an {KIND} of {API_VERSION}: {problem}"


def _from(review: _Review[Any], problem: str = "") -> ReviewRequest:
    _check_version(review)
    request = review.request
    if not request.uid:
        message = f"the body is not an {KIND} of {API_VERSION}: request.uid is empty"
        raise MalformedReviewError(message)
    pod = request.object if isinstance(request, _PodRequest) else None
    return ReviewRequest(
        uid=request.uid,
        kind=request.kind,
        operation=request.operation,
        subresource=request.subResource or "",
        namespace=request.namespace or "",
        name=request.name or (pod.shown_name if pod else ""),
        dry_run=bool(request.dryRun),
        pod=pod,
        problem=problem or ("" if pod else "request.object is absent"),
    )


def render_review(uid: str, operations: tuple[Operation, ...] = (), warnings: tuple[str, ...] = ()) -> bytes:
    """The answer: always allowed; patch and patchType together, and only where something changes."""
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    if operations:
        response["patchType"] = "JSONPatch"
        # Base64 holds nothing that JSON escapes, so its 15 KB need not be searched again.
        response["patch"] = msgspec.Raw(b'"%b"' % pybase64.b64encode(to_json(operations)))
    if warnings:
        most = MAX_CHARACTERS_OF_ALL_WARNINGS // len(warnings)
        response["warnings"] = [warning_text(warning)[:most] for warning in warnings]
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def warning_text(text: str) -> str:
    """A warning as it fits into a ``Warning`` header: printable ASCII, 256 characters at most."""
    return _UNPRINTABLE.sub("?", text[:MAX_WARNING_CHARACTERS])
