"""A pod as it is stored after Istio's webhook and this one, made comparable with another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch

from tests.e2e.api_server.submission import comparable
from tests.e2e.node.pods import operator_pod, shell
from webhook.core.names import CANONICAL_NAME, STATUS_ANNOTATION, TREATMENT_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


USERS_HINT: Final = {"sidecar.istio.io/nativeSidecar": "true"}
"""The annotation of a user who wants Istio to render a native sidecar."""


def rendering(namespace: PodNamespace, change: Callable[[JSONObject], None], annotations: Mapping[str, str]) -> JSONObject:
    """The pod that would be stored, without the webhook's status, and without the namespace's name, which Istio writes into it."""
    base = shell("localhost/task:1", "exit 3")
    pod = operator_pod(namespace.name, "same", base, automountServiceAccountToken=False)
    # Without it, the two would get different names.
    pod["metadata"]["labels"][CANONICAL_NAME] = "given"
    change(pod)
    pod["metadata"]["annotations"].update(annotations)
    found = comparable(namespace.level.api.create(pod, dryRun="All"))
    found["metadata"]["annotations"].pop(STATUS_ANNOTATION, None)
    found["metadata"]["labels"].pop(TREATMENT_LABEL, None)
    same: JSONObject = json.loads(json.dumps(found).replace(f"/{namespace.name}/", "/NAMESPACE/"))
    own = json.loads(same["metadata"]["annotations"]["sidecar.istio.io/status"])
    same["metadata"]["annotations"]["sidecar.istio.io/status"] = own
    return same


def differences(reference: object, found: object) -> list[JSONObject]:
    """The JSON Patch from the reference to the other: short, so that a failure can be read."""
    operations: list[JSONObject] = jsonpatch.make_patch(reference, found).patch
    return operations
