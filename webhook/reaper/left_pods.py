"""Notices about pods that the webhook left, until their Events are written: so many in a second at most. It does no I/O and has no clock.

Every replica has them, so that one that takes over reports those that the one before may not have reported.

Whoever may create pods can write the label and the status of one that was left. So no namespace takes another one's turn or place, and one
that has not opted in, whose pods the webhook never sees, has neither.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.reaper.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

EVENTS_A_SECOND: Final = 50
"""As many as a kubelet writes by default (``eventRecordQPS``). Of ten thousand pods at once, the last one waits 200 s."""

BURST: Final = 100
"""After a pause, as of a kubelet (``eventBurst``)."""

MOST_WAITING: Final = 10_000
"""Each has some 3 KB. Of more, some have no Event; the webhook has logged them."""

USEFUL: Final = timedelta(minutes=5)
"""How long a notice waits: longer than another replica takes to act, and than ten thousand notices take."""

EARLY: Final = timedelta(minutes=1)
"""How long a notice waits for its namespace to opt in: the watch of namespaces, whose pauses are 30 s at most, may be behind."""


class _WaitingNotice(msgspec.Struct, frozen=True):
    notice: Notice
    since: datetime


class LeftPods:
    """The notices that wait, by namespace.

    Namespaces take turns, and none has more places than it leaves to the others: whoever leaves ten thousand pods in one neither holds up
    nor displaces a notice of another one.

    ``namespaces`` are those that are served, None: all.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        """None waits yet; ``most`` may."""
        self._most = most
        self._waiting: dict[str, OrderedDict[str, _WaitingNotice]] = {}
        self._count = 0
        self._allowed = float(BURST)
        self._allowed_at: datetime | None = None

    def add(self, notice: Notice, now: datetime, namespaces: AbstractSet[str] | None) -> None:
        """Have the notice of a pod wait, unless one of it does. With too many, the newest one of the namespace that has most is dropped."""
        waiting = self._waiting.setdefault(notice.pod.namespace, OrderedDict())
        if notice.pod.uid not in waiting:
            waiting[notice.pod.uid] = _WaitingNotice(notice, now)
            self._count += 1
        if self._count > self._most:
            most = max(self._waiting, key=lambda one: (not _is_served(one, namespaces), len(self._waiting[one])))
            self._remove(most, next(reversed(self._waiting[most])))

    def drop_old(self, now: datetime, namespaces: AbstractSet[str] | None) -> None:
        """Forget notices that have waited too long: to be of use, or for their namespace to opt in."""
        for namespace, waiting in list(self._waiting.items()):
            longest = USEFUL if _is_served(namespace, namespaces) else EARLY
            while waiting and now - waiting[oldest := next(iter(waiting))].since >= longest:
                self._remove(namespace, oldest)

    def take(self, now: datetime, namespaces: AbstractSet[str] | None) -> list[Notice]:
        """As many notices as may be published now, each once."""
        if self._allowed_at is not None:
            self._allowed = min(BURST, self._allowed + (now - self._allowed_at).total_seconds() * EVENTS_A_SECOND)
        self._allowed_at = now
        taken: list[Notice] = []
        while self._allowed >= 1 and (notice := self._next(namespaces)) is not None:
            taken.append(notice)
            self._allowed -= 1
        return taken

    def next_at(self, namespaces: AbstractSet[str] | None) -> datetime | None:
        """When the next notice may be published, should none have been added since they were taken; None: none waits."""
        if self._allowed_at is None or not any(_is_served(one, namespaces) for one in self._waiting):
            return None
        return self._allowed_at + timedelta(seconds=max(0.0, 1 - self._allowed) / EVENTS_A_SECOND)

    def _next(self, namespaces: AbstractSet[str] | None) -> Notice | None:
        namespace = next((one for one in self._waiting if _is_served(one, namespaces)), None)
        if namespace is None:
            return None
        found = self._remove(namespace, next(iter(self._waiting[namespace])))
        if namespace in self._waiting:
            # At the end: the other namespaces are next.
            self._waiting[namespace] = self._waiting.pop(namespace)
        return found

    def _remove(self, namespace: str, uid: str) -> Notice:
        """The notice of a pod, which then waits no longer."""
        waiting = self._waiting[namespace]
        found = waiting.pop(uid)
        self._count -= 1
        if not waiting:
            del self._waiting[namespace]
        return found.notice


def _is_served(namespace: str, namespaces: AbstractSet[str] | None) -> bool:
    return namespaces is None or namespace in namespaces
