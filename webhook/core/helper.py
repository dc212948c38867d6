"""The helper: an init container that copies a static busybox into the pod, for images that have no shell.

It has the task's user and resources, so that it passes every check that the task passes: the restricted Pod Security
Standard, a LimitRange, a ResourceQuota. An init container with the requests of a regular one never raises the pod's requests
(KEP-753: the pod's request is the larger of the init containers' and the sum of the regular ones').
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from webhook.core.aggregate import has_amounts
from webhook.core.names import HELPER_BUSYBOX, HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME
from webhook.core.pod import ABSENT

if TYPE_CHECKING:
    from webhook.core.pod import Container, Pod

IMAGE_BUSYBOX: Final = "/busybox"
"""Where the static busybox lies in the helper's image."""

_COMMAND: Final = [IMAGE_BUSYBOX, "cp", IMAGE_BUSYBOX, HELPER_BUSYBOX]
_NOBODY: Final = 65532
_COPIED_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_ROOM_FOR_BUSYBOX: Final = "8Mi"  # a static busybox is about 2 MiB


def helper_container(pod: Pod, main: Container, image: str) -> dict[str, Any]:
    """The init container."""
    container: dict[str, Any] = {
        "name": HELPER_CONTAINER,
        "image": image,
        "command": _COMMAND,
        "securityContext": _security_context(pod, main),
        "volumeMounts": [{"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH}],
    }
    resources = helper_resources(main)
    if resources:
        container["resources"] = resources
    return container


def resources_since(helper: Container, main: Container) -> dict[str, dict[str, Any]]:
    """What a helper gets that an earlier review has added, where the task has got requests or limits since and it has none.

    A quota may demand requests of every container, and a policy may give them to regular containers only.
    """
    return {} if has_amounts(helper) else helper_resources(main)


def helper_volume() -> dict[str, Any]:
    """The volume that the busybox is copied into."""
    return {"name": HELPER_VOLUME, "emptyDir": {"sizeLimit": _ROOM_FOR_BUSYBOX}}


def helper_mount() -> dict[str, Any]:
    """How the main container sees it."""
    return {"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH, "readOnly": True}


def is_helper(init: Container) -> bool:
    """Whether this init container is the helper, and not another one of that name."""
    return init.name == HELPER_CONTAINER and init.command == _COMMAND


def is_helper_place_taken(pod: Pod, main: Container | None) -> bool:
    """Whether the pod has something of its own with a name or at a path that the helper needs; what an earlier review added is not that."""
    inits = [init for init in pod.init_containers if init.name == HELPER_CONTAINER]
    volumes = [volume for volume in pod.spec.volumes or () if volume.name == HELPER_VOLUME]
    return (
        HELPER_CONTAINER in pod.spec.container_names
        or not all(map(is_helper, inits))
        or any(volume.emptyDir == ABSENT for volume in volumes)
        or (main is not None and _is_path_taken(main))
    )


def _is_path_taken(main: Container) -> bool:
    mounted = any(mount.mountPath == HELPER_MOUNT_PATH and mount.name != HELPER_VOLUME for mount in main.mounts)
    return mounted or HELPER_MOUNT_PATH in main.device_paths


def has_helper_mount(main: Container) -> bool:
    """Whether the helper's volume is at its place in the main container."""
    return any(mount.mountPath == HELPER_MOUNT_PATH and mount.name == HELPER_VOLUME for mount in main.mounts)


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


def helper_resources(main: Container) -> dict[str, dict[str, Any]]:
    """The task's requests and limits of what every container uses; a GPU is not copied."""
    copied: dict[str, dict[str, Any]] = {}
    for kind in ("requests", "limits"):
        amounts = main.demands.get(kind)
        if isinstance(amounts, dict):
            chosen = {name: amounts[name] for name in _COPIED_RESOURCES if name in amounts}
            if chosen:
                copied[kind] = chosen
    return copied
