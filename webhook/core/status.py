"""The status that a pod carries: what was done to it, and why, in one line that a person on call can read from the pod itself."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.reasons import Reason

if TYPE_CHECKING:
    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts
    from webhook.core.sidecar import Endpoint


class Treatment(StrEnum):
    """What became of a pod of Airflow's."""

    NATIVE = "native"
    WRAPPED = "wrapped"
    LABELLED = "labelled"
    LEFT = "left"


TREATMENTS: Final = MappingProxyType(
    {
        Reason.SIDECARS_QUIT: Treatment.WRAPPED,
        Reason.SOME_KEEP_RUNNING: Treatment.WRAPPED,
        Reason.NO_SIDECAR: Treatment.LABELLED,
        Reason.AMBIENT_MESH: Treatment.LABELLED,
        Reason.SIDECARS_NATIVE: Treatment.NATIVE,
        Reason.ENDS_BY_ITSELF: Treatment.LABELLED,
        Reason.LABEL_ONLY: Treatment.LABELLED,
        Reason.NATIVE_ONLY: Treatment.LEFT,
        Reason.SPARK: Treatment.LEFT,
        Reason.HOST_NETWORK: Treatment.LEFT,
        Reason.WINDOWS: Treatment.LEFT,
        Reason.NO_MAIN_CONTAINER: Treatment.LEFT,
        Reason.NO_QUIT: Treatment.LEFT,
        Reason.ENTRYPOINT_UNKNOWN: Treatment.LEFT,
        Reason.SHELL_UNKNOWN: Treatment.LEFT,
    }
)
"""The treatment each reason stands for. A pod that is left may stay Running because of a sidecar, so its creator is warned."""


NATIVE: Final = "native"
KEEPS_RUNNING: Final = "keeps-running"
UNKNOWN: Final = "unknown"


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document in the annotation ``airflow-sidecar-webhook/status``.

    Args:
        treatment: What became of the pod.
        reason: Why.
        main: The container that holds the task.
        entrypoint: Where the words between the wrapper and the args came from.
        shell: Where the wrapper's shell comes from.
        sidecars: For each known sidecar whether it is native, is asked to quit, ends by itself, or runs on; for any other container
            beside the task ``unknown``.
        no_native: What the cluster lacks, where that is why no sidecar was made native.
        not_converted: Sidecars that were not made native on a cluster that could, each with the reason.

    """

    treatment: Treatment
    reason: Reason
    main: str | None = None
    entrypoint: str | None = None
    shell: str | None = None
    sidecars: dict[str, str] = {}
    no_native: str | None = None
    not_converted: dict[str, str] = {}


def status_of(facts: Facts, mutate: Mutate) -> str:
    """The status as JSON text."""
    main = facts.main_container
    status = Status(
        treatment=TREATMENTS[mutate.reason],
        reason=mutate.reason,
        main=main.name if main else None,
        entrypoint=mutate.wrap.entrypoint.source if mutate.wrap else None,
        shell=("helper" if mutate.wrap.helper else "image") if mutate.wrap else None,
        sidecars=ends_of(mutate.conversion.after_conversion(facts), mutate),
        no_native=mutate.no_native,
        not_converted={name: str(why) for name, why in mutate.conversion.not_converted.items()},
    )
    return msgspec.json.encode(status).decode()


def ends_of(facts: Facts, mutate: Mutate) -> dict[str, str]:
    """What becomes of each container beside the task; ``facts`` are those of the pod as it is afterwards."""
    known = {sidecar.name: _end_of(sidecar.quit, sidecar.ends_by_itself, mutate) for sidecar in facts.sidecars}
    return dict.fromkeys(facts.native_sidecars, NATIVE) | known | dict.fromkeys(facts.others, UNKNOWN)


def _end_of(quit_request: Endpoint | None, ends_by_itself: bool, mutate: Mutate) -> str:  # noqa: FBT001
    if mutate.wrap and quit_request:
        return "quit"
    return "ends-by-itself" if ends_by_itself else KEEPS_RUNNING
