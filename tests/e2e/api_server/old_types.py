"""An injector whose types are older than Kubernetes 1.28, for what such a one does to a native sidecar: it is no product's.

It reads the pod into the fields it knows, changes something, and writes the pod back, as a Go program does whose k8s.io/api is old. What it
does not know is gone: `restartPolicy` of a container above all. (istio#49054 and azure-workload-identity#1312, among others, are about real ones.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.e2e.api_server.scripted_webhook import patched

if TYPE_CHECKING:
    from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply
    from tests.support.json_object import JSONObject


CONTAINER: Final = frozenset(
    (
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "ports",
        "envFrom",
        "env",
        "resources",
        "resizePolicy",
        "volumeMounts",
        "volumeDevices",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
    )
)
"""The fields of a v1.Container in Kubernetes 1.27 (k8s.io/api v0.27.0, core/v1/types.go)."""


def inject(call: Call) -> ScriptedReply:
    """A label is what it injects; the rest is what it lost."""
    spec = call.pod["spec"]
    operations = [
        {"op": "add", "path": "/metadata/labels/seen-by-old-types", "value": "true"},
        *(
            {"op": "replace", "path": f"/spec/{which}", "value": read(spec[which])}
            for which in ("initContainers", "containers")
            if which in spec
        ),
    ]
    return patched(call, operations)


def read(containers: list[JSONObject]) -> list[JSONObject]:
    """Containers, as far as these types know them."""
    return [{field: value for field, value in container.items() if field in CONTAINER} for container in containers]
