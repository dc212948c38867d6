"""How each container beside the task ends once the task has ended; the decision determines it once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webhook.core.facts import Facts
    from webhook.core.sidecar import FoundSidecar


class ContainerEnd(StrEnum):
    """How a container ends."""

    NATIVE = "native"
    """The kubelet ends it after the task."""

    QUIT = "quit"
    """The wrapper sends its quit request."""

    ENDS_BY_ITSELF = "ends-by-itself"
    """It ends without a request: once its own work is done, or once no other container runs."""

    KEEPS_RUNNING = "keeps-running"
    """Nothing ends it, so the pod stays Running."""

    UNKNOWN = "unknown"
    """It is neither the task's nor in the catalogue."""


def container_ends(after: Facts, *, is_wrapped: bool) -> dict[str, ContainerEnd]:
    """The end of each container beside the task, by name; ``after``: the pod after its conversion."""
    regular = {sidecar.name: _end_of(sidecar, is_wrapped=is_wrapped) for sidecar in after.sidecars}
    native = dict.fromkeys(after.native_sidecars, ContainerEnd.NATIVE)
    return native | regular | dict.fromkeys(after.others, ContainerEnd.UNKNOWN)


def _end_of(sidecar: FoundSidecar, *, is_wrapped: bool) -> ContainerEnd:
    if is_wrapped and sidecar.quit:
        return ContainerEnd.QUIT
    return ContainerEnd.ENDS_BY_ITSELF if sidecar.ends_by_itself else ContainerEnd.KEEPS_RUNNING
