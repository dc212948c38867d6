"""kubexit, a program in front of the commands in a pod by which its containers start after one another and end with one another.

Before it starts the command of its own container, it awaits others in the pod's ``status.containerStatuses``, which has no init containers.
So none that it awaits may become native. One that it ends with another needs nobody to end it.

Source: https://github.com/karlkfi/kubexit, cmd/kubexit/main.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.core.pod import Container, Pod

BIRTH_DEPS: Final = "KUBEXIT_BIRTH_DEPS"
"""The containers that it awaits, by their names, with commas between them."""

DEATH_DEPS: Final = "KUBEXIT_DEATH_DEPS"
"""The containers with the first of which its own ends."""


def is_ended_by_kubexit(container: Container) -> bool:
    """Whether it ends this container with another one."""
    return DEATH_DEPS in container.environment


def awaited_by_kubexit(pod: Pod) -> frozenset[str]:
    """Names of the containers that it awaits somewhere in this pod."""
    return frozenset([name for one in pod.spec.containers for name in one.environment.get(BIRTH_DEPS, "").split(",") if name])
