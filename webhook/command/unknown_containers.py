"""Containers that nobody knows and that may keep a pod Running, where no remedy of the rules says so already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import (
    MAX_DESCRIBED_SIDECARS,
    OUTLIVES_TASK_ANNOTATION,
    SIDECARS_ANNOTATION,
    ContainerEnd,
    ContainerReason,
    LinePlace,
    Reason,
    RemedyLine,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core import Outcome

SAID: Final = frozenset({ContainerReason.UNKNOWN, Reason.MAIN_CONTAINER_AMBIGUOUS, Reason.UNKNOWN_CONTAINER})
"""Reasons whose remedy says how to describe the containers."""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How such containers are described.

    Args:
        condition: When it is right.
        line: The line for the pod's annotations; it has what they hold already.

    """

    condition: str
    line: str


class UnknownContainers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Containers that nobody knows.

    Args:
        names: Their names.
        sentence: What holds of them.
        descriptions: The annotations that describe them, of which one is right.

    """

    names: tuple[str, ...]
    sentence: str
    descriptions: tuple[Description, ...]


def unknown_containers(pod: Mapping[str, Any], outcome: Outcome) -> UnknownContainers | None:
    """The containers of a pod of which nobody knows when they end; None: there are none, or a remedy says it."""
    status = outcome.status
    if status is None or any(remedy.reason in SAID for remedy in outcome.remedies):
        return None
    names = tuple([name for name, end in status.sidecars.items() if end is ContainerEnd.UNKNOWN])
    if not names:
        return None
    if status.main is None:
        return _with_task(names)
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    ending = _line(OUTLIVES_TASK_ANNOTATION, _outlasting(annotations, names))
    described = _line(SIDECARS_ANNOTATION, _described(annotations, names))
    choices = (Description("If they end by themselves", ending), Description("If they run until something ends them", described))
    return UnknownContainers(names, ContainerReason.UNKNOWN.sentence, choices)


def _with_task(names: tuple[str, ...]) -> UnknownContainers:
    """One of them is the task's."""
    reason = Reason.MAIN_CONTAINER_AMBIGUOUS
    line = reason.line.filled({}) if reason.line else ""
    return UnknownContainers(names, reason.sentence, (Description(f"With one of {', '.join(names)} for CONTAINER", line),))


def _outlasting(annotations: Mapping[str, str], names: tuple[str, ...]) -> str:
    named = [name.strip() for name in annotations.get(OUTLIVES_TASK_ANNOTATION, "").split(",")]
    return ",".join(dict.fromkeys([*filter(None, named), *names]))


def _described(annotations: Mapping[str, str], names: tuple[str, ...]) -> str:
    try:
        written = json.loads(annotations.get(SIDECARS_ANNOTATION, "[]"))
    except (ValueError, RecursionError):
        written = []
    described = written if isinstance(written, list) else []
    return json.dumps([*described, *({"name": name, "native": True} for name in names)][:MAX_DESCRIBED_SIDECARS])


def _line(key: str, value: str) -> str:
    return RemedyLine(LinePlace.ANNOTATIONS, key, "{value}").filled({"value": value})
