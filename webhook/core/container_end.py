"""How each container beside the task ends once the task has ended; the decision determines it once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.core.catalogue import FoundSidecar
    from webhook.core.facts import Facts


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

    PLACEHOLDER = "placeholder"
    """Its injector has yet to fill it: a user customises by it what will be injected."""


def container_ends(after: Facts, *, is_wrapped: bool) -> dict[str, ContainerEnd]:
    """The end of each container beside the task of which it is known, by name; ``after``: the pod after its conversion.

    A sidecar that ends once no other container runs ends only if all others do: two such sidecars wait for each other, and an unknown
    container may never end.
    """
    ends: dict[str, ContainerEnd] = {}
    for name in after.native_sidecars:
        ends[name] = ContainerEnd.NATIVE
    for sidecar in after.sidecars:
        ends[sidecar.name] = ContainerEnd.QUIT
    staying = [sidecar for sidecar in after.sidecars if not (is_wrapped and sidecar.quit)]
    all_others_end = bool(staying) and not after.others and no_two_wait(staying)
    for sidecar in staying:
        is_ending = sidecar.is_one_time or (sidecar.ends_by_itself and all_others_end)
        ends[sidecar.name] = ContainerEnd.ENDS_BY_ITSELF if is_ending else ContainerEnd.KEEPS_RUNNING
    for name in after.outlasting:
        ends[name] = ContainerEnd.ENDS_BY_ITSELF
    for name in after.placeholders:
        ends[name] = ContainerEnd.PLACEHOLDER
    return ends


def no_two_wait(sidecars: Sequence[FoundSidecar]) -> bool:
    """Whether one of these at most runs until something ends it, or until no other container runs: two would wait for each other."""
    return len([sidecar for sidecar in sidecars if not sidecar.is_one_time]) <= 1
