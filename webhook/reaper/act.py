"""What the reaper does to a pod, one act at a time, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec

from webhook.core import Endpoint


class Method(StrEnum):
    """How a pod is ended, the gentlest first."""

    QUIT = "quit"
    """A sidecar's quit request, over a port-forward to the pod's loopback: it exits 0, and the pod has the result of its task."""

    EXEC = "exec"
    """The signal on which a sidecar exits 0, sent to process 1 of its container."""

    DEADLINE = "deadline"
    """``spec.activeDeadlineSeconds``: the kubelet ends every container, and the pod is Failed."""


class QuitAct(msgspec.Struct, frozen=True):
    """Send a sidecar its quit request.

    Args:
        container: The sidecar's container.
        container_id: Its id, as it was when this was decided.
        endpoint: Where, on the pod's loopback.

    """

    method: ClassVar[Method] = Method.QUIT

    container: str
    container_id: str
    endpoint: Endpoint


class ExecAct(msgspec.Struct, frozen=True):
    """Send a signal to process 1 of a sidecar's container.

    Args:
        container: The sidecar's container.
        container_id: Its id, as it was when this was decided.
        signal: The signal's name, as ``SIGTERM``.

    """

    method: ClassVar[Method] = Method.EXEC

    container: str
    container_id: str
    signal: str

    @property
    def command(self) -> str:
        """What a shell runs in the container: ``kill`` is built into every POSIX shell."""
        return f"kill -{self.signal.removeprefix('SIG')} 1"


class DeadlineAct(msgspec.Struct, frozen=True):
    """Set the pod's ``activeDeadlineSeconds``.

    Args:
        seconds: From the pod's start to the end of its task, both on the kubelet's clock: they have passed on that clock, whatever the
            reaper's own clock says.

    """

    method: ClassVar[Method] = Method.DEADLINE
    container: ClassVar[str] = ""
    container_id: ClassVar[str] = ""

    seconds: int


Act: TypeAlias = QuitAct | ExecAct | DeadlineAct


class ActOutcome(StrEnum):
    """What became of an act, as far as its own answer says."""

    BEGUN = "begun"
    """Nothing is known yet: it is under way, or the reaper ended before there was an answer."""

    ACCEPTED = "accepted"
    """The sidecar, or the API server, accepted it."""

    REFUSED = "refused"
    """The sidecar, or the API server, answered with an error."""

    FORBIDDEN = "forbidden"
    """The reaper lacks a right."""

    FAILED = "failed"
    """There was no answer: the connection failed, or nothing listens; or the answer was lost with the pod's network, as the pod ended."""


WITHOUT_ANSWER: Final = frozenset({ActOutcome.FAILED, ActOutcome.BEGUN})
"""Outcomes after which it is not known whether the act was carried out."""


class ActResult(msgspec.Struct, frozen=True):
    """What became of an act.

    Args:
        outcome: As far as the answer says.
        detail: The answer, or why there was none, for people.

    """

    outcome: ActOutcome
    detail: str


class PastAct(msgspec.Struct, frozen=True):
    """An act on one pod, remembered.

    Args:
        method: How.
        container_id: The container's id; empty for the whole pod.
        at: When.
        outcome: What became of it.

    """

    method: Method
    container_id: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    outcome: ActOutcome
