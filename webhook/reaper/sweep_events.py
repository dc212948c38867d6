"""The Events of a pass: those that the controller would write, and why some of them could not be written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from webhook.kube.errors import ClusterError
from webhook.reaper.event_writer import EventWriter
from webhook.reaper.pod_event import PodEvents
from webhook.reaper.rights import EVENTS, named
from webhook.reaper.sweep_report import SweepProblem, request_problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from webhook.reaper.notice import Notice
    from webhook.reaper.task_pods import ApiWriter

LAST_EVENTS_SECONDS: Final = 60.0
"""For the Events that are still to be written when all else is done."""

WHAT: Final = "write Events"
NO_TIME: Final = f"not all were written within {LAST_EVENTS_SECONDS:.0f} s"


class SweepEvents:
    """Writes the Events of a pass. Threads may share it. Its report holds every pod, so there is no limit for those that wait."""

    def __init__(self, api: ApiWriter, instance: str, now: Callable[[], datetime]) -> None:
        """Write nothing yet; ``instance`` is the name of who writes, and ``now`` the clock."""
        self._writer = EventWriter(PodEvents(api, instance), self, now, sys.maxsize)
        self._unwritten: dict[tuple[str, str, str], SweepProblem] = {}
        self._forbidden: set[str] = set()

    def write(self, notice: Notice) -> None:
        """Have the Event of a notice written, unless that is forbidden in its namespace."""
        if notice.pod.namespace not in self._forbidden:
            self._unwritten[_key(notice)] = SweepProblem(notice.pod.namespace, WHAT, NO_TIME)
            self._writer.write(notice)

    def event_written(self, notice: Notice) -> None:
        """See `webhook.reaper.event_writer.EventListener`."""
        self._unwritten.pop(_key(notice), None)

    def event_failed(self, notice: Notice, problem: Exception) -> None:
        """See `webhook.reaper.event_writer.EventListener`."""
        namespace = notice.pod.namespace
        if isinstance(problem, ClusterError):
            found = request_problem(namespace, WHAT, problem, named(EVENTS))
        else:
            found = SweepProblem(namespace, WHAT, type(problem).__name__)
        self._unwritten[_key(notice)] = found
        if found.right:
            self._forbidden.add(namespace)

    def finish(self) -> list[SweepProblem]:
        """Write what is still to be written; of each namespace the first problem that remains."""
        self._writer.finish(LAST_EVENTS_SECONDS)
        first: dict[str, SweepProblem] = {}
        for problem in self._unwritten.values():
            first.setdefault(problem.namespace, problem)
        return list(first.values())


def _key(notice: Notice) -> tuple[str, str, str]:
    """The same of notices that are the same Event."""
    return (notice.pod.uid, notice.kind, notice.note)
