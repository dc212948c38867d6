"""Writes the Events of notices, away from the threads that decide and act."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, Protocol

from webhook.kube.errors import ClusterError, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from webhook.reaper.notice import Notice
    from webhook.reaper.pod_event import PodEvents

EVENT_WORKERS: Final = 2
"""Events at once, beside the acts: an API server that is slow with Events holds up no act."""

MOST_EVENTS: Final = 1000
"""Events of a controller that wait to be written: of more there is the log line alone."""

EVENT_PAUSES: Final = (1.0, 5.0, 25.0)
"""Seconds before each further attempt to write an Event, where the API server does not answer or is overloaded."""


class EventListener(Protocol):
    """Is notified in the threads that write."""

    def event_written(self, notice: Notice) -> None:
        """The Event of a notice was written."""

    def event_failed(self, notice: Notice, problem: Exception) -> None:
        """An attempt to write it failed; another one may follow. What is not a ClusterError is a bug."""


class EventWriter:
    """A queue of Events, and the threads that write them."""

    def __init__(self, events: PodEvents, listener: EventListener, now: Callable[[], datetime], most: int = MOST_EVENTS) -> None:
        """Write nothing yet; ``now`` is the clock, and ``most`` the number of Events that may wait."""
        self._events, self._listener, self._now, self._most = events, listener, now, most
        self._workers = ThreadPoolExecutor(EVENT_WORKERS, thread_name_prefix="event")
        self._unwritten: set[Future[None]] = set()
        self._stopped = threading.Event()

    def write(self, notice: Notice) -> None:
        """Have the Event of a notice written, unless too many wait already."""
        if len(self._unwritten) < self._most:
            event = self._workers.submit(self._write, notice)
            self._unwritten.add(event)
            event.add_done_callback(self._unwritten.discard)

    def finish(self, seconds: float) -> None:
        """Wait at most so long until all Events are written, then `stop`."""
        wait(self._unwritten.copy(), seconds)
        self.stop()

    def stop(self) -> None:
        """Begin no further Event, and wait for those that are being written."""
        # In this order: whoever ends its pause begins no other Event.
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._stopped.set()
        self._workers.shutdown(wait=True)

    def _write(self, notice: Notice) -> None:
        try:
            for pause in (*EVENT_PAUSES, None):
                is_over = self._attempt(notice)
                if is_over or pause is None or self._stopped.wait(pause):
                    return
        except Exception as problem:  # noqa: BLE001  the executor would store it, and nobody would read it
            self._listener.event_failed(notice, problem)

    def _attempt(self, notice: Notice) -> bool:
        """Whether it is written, or never will be."""
        try:
            self._events.write(notice, self._now())
        except ClusterError as problem:
            self._listener.event_failed(notice, problem)
            return not is_passing(problem)
        self._listener.event_written(notice)
        return True
