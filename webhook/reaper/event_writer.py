"""Writes the Events of notices, away from the thread that decides."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from webhook.kube.errors import ClusterError, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from webhook.reaper.notice import Notice
    from webhook.reaper.pod_event import PodEvents
    from webhook.reaper.telemetry import ReaperTelemetry

EVENT_WORKERS: Final = 2
"""Events at once, beside the acts: an API server that is slow with Events holds up no act."""

MOST_EVENTS: Final = 1000
"""Events that wait to be written: of more there is the log line alone."""

EVENT_PAUSES: Final = (1.0, 5.0, 25.0)
"""Seconds before each further attempt to write an Event, where the API server does not answer or is overloaded."""


class EventWriter:
    """A queue of Events, and the threads that write them."""

    def __init__(self, events: PodEvents, telemetry: ReaperTelemetry, now: Callable[[], datetime]) -> None:
        """Write nothing yet; ``now`` is the clock."""
        self._events, self._telemetry, self._now = events, telemetry, now
        self._workers = ThreadPoolExecutor(EVENT_WORKERS, thread_name_prefix="event")
        self._places = threading.BoundedSemaphore(MOST_EVENTS)
        self._stopped = threading.Event()

    def write(self, notice: Notice) -> None:
        """Have the Event of a notice written, unless `MOST_EVENTS` wait already."""
        if self._places.acquire(blocking=False):
            self._workers.submit(self._write, notice)

    def stop(self) -> None:
        """Begin no further Event, and wait for those that are being written."""
        self._stopped.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _write(self, notice: Notice) -> None:
        try:
            for pause in (*EVENT_PAUSES, None):
                is_over = self._attempt(notice)
                if is_over or pause is None or self._stopped.wait(pause):
                    return
        except Exception as problem:  # noqa: BLE001  the executor would keep it for nobody
            self._telemetry.bug(problem)
        finally:
            self._places.release()

    def _attempt(self, notice: Notice) -> bool:
        """Whether it is written, or never will be."""
        try:
            self._events.write(notice, self._now())
        except ClusterError as problem:
            self._telemetry.event_failed(problem)
            return not is_passing(problem)
        self._telemetry.event_written()
        return True
