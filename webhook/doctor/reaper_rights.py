"""What the API server says of the rights of the reaper's service account, by a SubjectAccessReview for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.doctor.snapshot import ReaperRights
from webhook.kube.errors import refusal
from webhook.kube.reading import decode
from webhook.reaper.rights import EVERY_RIGHT, RightPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.doctor.snapshot import ReaperAccount
    from webhook.kube.client import Response
    from webhook.reaper.rights import ReaperRight

REVIEWS_PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
"""Nothing is stored: the API server answers, and forgets."""

CREATED: Final = 201


class _AccessVerdict(msgspec.Struct):
    allowed: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessVerdict = msgspec.field(default_factory=_AccessVerdict)


def read_rights(create: Callable[[str, object], Response], account: ReaperAccount, namespace: str) -> ReaperRights:
    """One SubjectAccessReview for each right that the reaper uses. ClusterError."""
    granted = [right for right in EVERY_RIGHT if _is_granted(create(REVIEWS_PATH, _review(account, namespace, right)))]
    return ReaperRights(account.user, frozenset(granted))


def _review(account: ReaperAccount, namespace: str, right: ReaperRight) -> dict[str, Any]:
    resource, _, subresource = right.resource.partition("/")
    places = {RightPlace.TASK_PODS: namespace, RightPlace.OWN: account.namespace, RightPlace.CLUSTER: ""}
    attributes = {
        "namespace": places[right.place],
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        # The chart calls the Lease like the account. RBAC cannot limit create to a name.
        "name": account.name if right.place is RightPlace.OWN and right.verb != "create" else "",
    }
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{account.namespace}", "system:authenticated"]
    spec = {"user": account.user, "groups": groups, "resourceAttributes": attributes}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def _is_granted(response: Response) -> bool:
    if response.status != CREATED:
        raise refusal(response.status, response.body)
    return decode(response.body, _AccessReview).status.allowed
