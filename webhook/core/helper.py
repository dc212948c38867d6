"""The helper: an init container that copies a static busybox into the pod, for images that have no shell.

It has the task's user and resources, so that it passes every check that the task passes: the restricted Pod Security
Standard, a LimitRange, a ResourceQuota. An init container with the requests of a regular one never raises the pod's requests
(KEP-753: the pod's request is the larger of the init containers' and the sum of the regular ones').
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from webhook.core.names import HELPER_BUSYBOX, HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME

if TYPE_CHECKING:
    from webhook.core.pod import Container, Pod

IMAGE_BUSYBOX: Final = "/busybox"
"""Where the static busybox lies in the helper's image."""

_NOBODY: Final = 65532
_COPIED_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_ROOM_FOR_BUSYBOX: Final = "8Mi"  # a static busybox is about 2 MiB


def helper_container(pod: Pod, main: Container, image: str) -> dict[str, Any]:
    """The init container."""
    container: dict[str, Any] = {
        "name": HELPER_CONTAINER,
        "image": image,
        "command": [IMAGE_BUSYBOX, "cp", IMAGE_BUSYBOX, HELPER_BUSYBOX],
        "securityContext": _security_context(pod, main),
        "volumeMounts": [{"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH}],
    }
    resources = _resources(main)
    if resources:
        container["resources"] = resources
    return container


def helper_volume() -> dict[str, Any]:
    """The volume that the busybox is copied into."""
    return {"name": HELPER_VOLUME, "emptyDir": {"sizeLimit": _ROOM_FOR_BUSYBOX}}


def helper_mount() -> dict[str, Any]:
    """How the main container sees it."""
    return {"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH, "readOnly": True}


def _security_context(pod: Pod, main: Container) -> dict[str, Any]:
    """The restricted standard's demands (https://kubernetes.io/docs/concepts/security/pod-security-standards/) and the task's own user.

    Without a user in the pod the helper's image decides (a number, not root), since a cluster may allow a range only (OpenShift).
    """
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    own = main.security.get("runAsUser")
    user = own if own is not None else pod.spec.security.get("runAsUser")
    if user == 0:
        context["runAsUser"] = _NOBODY
    elif own is not None:
        context["runAsUser"] = own
    return context


def _resources(main: Container) -> dict[str, dict[str, Any]]:
    """The task's requests and limits of what every container uses; a GPU is not copied."""
    copied: dict[str, dict[str, Any]] = {}
    for kind in ("requests", "limits"):
        amounts = main.demands.get(kind)
        if isinstance(amounts, dict):
            chosen = {name: amounts[name] for name in _COPIED_RESOURCES if name in amounts}
            if chosen:
                copied[kind] = chosen
    return copied
