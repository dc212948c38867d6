"""A pod as it would be stored after Istio and us, in a form in which two of them can be compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch

from tests.e2e.api_server.submission import comparable
from tests.e2e.node.pods import operator_pod, shell
from webhook.core.names import CANONICAL_NAME, STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.node.namespace import Namespace
    from tests.support.json_object import JSONObject


ASKED: Final = {"sidecar.istio.io/nativeSidecar": "true"}
"""What a user writes who wants Istio to render it natively."""


def rendering(namespace: Namespace, change: Callable[[JSONObject], None], annotations: Mapping[str, str]) -> JSONObject:
    """The pod that would be stored, without our status and without the namespace's name, which Istio writes into it."""
    base = shell("localhost/task:1", "exit 3")
    pod = operator_pod(namespace.name, "same", base, automountServiceAccountToken=False)
    # Else each of the two would give a name of its own.
    pod["metadata"]["labels"][CANONICAL_NAME] = "given"
    change(pod)
    pod["metadata"]["annotations"].update(annotations)
    found = comparable(namespace.level.api.create(pod, dryRun="All"))
    found["metadata"]["annotations"].pop(STATUS, None)
    same: JSONObject = json.loads(json.dumps(found).replace(f"/{namespace.name}/", "/NAMESPACE/"))
    own = json.loads(same["metadata"]["annotations"]["sidecar.istio.io/status"])
    same["metadata"]["annotations"]["sidecar.istio.io/status"] = own
    return same


def differences(reference: object, found: object) -> list[JSONObject]:
    """What would have to be done to the reference to make it the other, as a JSON Patch: short where a failure has to be read."""
    operations: list[JSONObject] = jsonpatch.make_patch(reference, found).patch
    return operations
