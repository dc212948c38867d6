"""Notices about pods that the webhook left, until their Events are written: so many in a second at most. It does no I/O and has no clock.

Every replica has them, so that one that takes over reports those that the one before may not have reported.
"""

from __future__ import annotations

from collections import deque
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
"""Each has some 3 KB. There is no Event about a further one; the webhook has logged it."""

USEFUL: Final = timedelta(minutes=5)
"""How long a notice waits: longer than another replica takes to act, and than ten thousand notices take."""


class _WaitingNotice(msgspec.Struct, frozen=True):
    notice: Notice
    since: datetime


class LeftPods:
    """The notices that wait, by namespace. Namespaces take turns: whoever leaves ten thousand pods in one holds up no other one."""

    def __init__(self) -> None:
        """None waits."""
        self._waiting: dict[str, deque[_WaitingNotice]] = {}
        self._count = 0
        self._allowed = float(BURST)
        self._allowed_at: datetime | None = None

    def add(self, notice: Notice, now: datetime) -> None:
        """Have a notice wait, unless too many do."""
        if self._count < MOST_WAITING:
            self._waiting.setdefault(notice.pod.namespace, deque()).append(_WaitingNotice(notice, now))
            self._count += 1

    def drop_old(self, now: datetime) -> None:
        """Forget notices that have waited too long to be of use."""
        for namespace, waiting in list(self._waiting.items()):
            while waiting and now - waiting[0].since >= USEFUL:
                waiting.popleft()
                self._count -= 1
            if not waiting:
                del self._waiting[namespace]

    def take(self, now: datetime, namespaces: AbstractSet[str] | None) -> list[Notice]:
        """As many notices as may be published now, each once; ``namespaces``: of these alone, None: of all."""
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
        waiting = self._waiting.pop(namespace)
        found = waiting.popleft().notice
        self._count -= 1
        if waiting:
            # At the end: the other namespaces are next.
            self._waiting[namespace] = waiting
        return found


def _is_served(namespace: str, namespaces: AbstractSet[str] | None) -> bool:
    return namespaces is None or namespace in namespaces
