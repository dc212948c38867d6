"""What a pass found and did: its report, as values."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from webhook.core import Progress
from webhook.kube.errors import ClusterError, RefusedError
from webhook.reaper.act import ActOutcome, Method
from webhook.reaper.decision import PodDecision
from webhook.reaper.reason import ReaperReason


class ActRecord(msgspec.Struct, frozen=True):
    """An act of a pass.

    Args:
        method: How.
        container: On which container; empty for the whole pod.
        outcome: What became of it.
        detail: The answer, or why there was none.

    """

    method: Method
    container: str
    outcome: ActOutcome
    detail: str


class PodReport(msgspec.Struct, frozen=True):
    """What a pass did about one pod.

    Args:
        pod: As it was read last.
        decision: The last one.
        acts: In their order.
        is_gone: Whether the pod no longer exists.

    """

    pod: Progress
    decision: PodDecision
    acts: tuple[ActRecord, ...] = ()
    is_gone: bool = False


class SweepProblem(msgspec.Struct, frozen=True):
    """What a pass could not do.

    Args:
        namespace: Where.
        what: As in "list the pods".
        message: The API server's own words.
        right: The right that is missing; empty: it is something else.

    """

    namespace: str
    what: str
    message: str
    right: str = ""


class SweepReport(msgspec.Struct, frozen=True):
    """What a pass found and did.

    Args:
        pods: Those whose task has ended while containers run on, and those that were acted on.
        counts: Of all Running task pods, by the reason of the first decision.
        problems: What could not be done.

    """

    pods: tuple[PodReport, ...]
    counts: dict[ReaperReason, int]
    problems: tuple[SweepProblem, ...]


def request_problem(namespace: str, what: str, error: ClusterError, right: str) -> SweepProblem:
    """A request failed, which needs this right."""
    is_forbidden = isinstance(error, RefusedError) and error.status == HTTPStatus.FORBIDDEN
    return SweepProblem(namespace, what, str(error), right if is_forbidden else "")
