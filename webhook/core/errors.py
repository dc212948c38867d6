"""What can go wrong, and whose fault it is.

* RulesError
  x MalformedReviewError  the caller's: the body is no AdmissionReview v1; answered with 400, so that failurePolicy decides
  x MalformedPodError     the caller's: a field has a type that the Pod API does not know; the pod is left to the API server
  x UnsoundPatchError     the webhook's: the patch would not apply, or would make the pod invalid; it never leaves
    x AnnotationsFullError  the caller's: the pod has no room for further annotations and is left as it is
"""

from __future__ import annotations


class RulesError(Exception):
    """Anything this package raises on purpose."""


class MalformedReviewError(RulesError):
    """The body is not an AdmissionReview v1. The message says what is wrong and what is allowed, and holds no value of the pod."""


class MalformedPodError(RulesError):
    """A field of the pod has a wrong type. The message names it and holds no value of the pod."""


class UnsoundPatchError(RulesError):
    """The patch does not do what it was made for."""


class AnnotationsFullError(UnsoundPatchError):
    """The annotations of the pod leave no room for the webhook's."""
