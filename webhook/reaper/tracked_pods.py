"""The Running pods whose task has ended, with what follows from all of them: when to decide next, and how many are stuck.

Each change brings that up to date, so that an event costs the same beside ten pods and beside thousands.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import Progress
from webhook.reaper.act import Act
from webhook.reaper.decision import PodDecision
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTDATED_FOR_EACH: Final = 4
"""Entries of the queue for each pod, on average: with more, it is made again from the pods."""


class TrackedPod(msgspec.Struct, frozen=True):
    """A Running pod whose task has ended.

    Args:
        pod: As it was read last.
        since: When the reaper first saw that its task had ended.
        work_ended_at: When the reaper saw that all work of the pod had ended; None: it has not.
        decide_at: When to decide; None: when the pod changes.
        decision: The last one; None: there was none yet.
        act: What is under way.
        is_noticed: Whether there was a notice about the last decision.

    """

    pod: Progress
    since: datetime
    work_ended_at: datetime | None
    decide_at: datetime | None
    decision: PodDecision | None = None
    act: Act | None = None
    is_noticed: bool = False

    @property
    def stuck(self) -> tuple[str, ReaperReason] | None:
        """Its namespace and the reason of the last decision; None: it is in its grace, or nothing was decided yet."""
        if self.decision is None or self.decision.reason is ReaperReason.GRACE:
            return None
        return self.pod.namespace, self.decision.reason


class TrackedPods:
    """The pods, by their uid."""

    def __init__(self) -> None:
        """There are none."""
        self._pods: dict[str, TrackedPod] = {}
        # A heap. An entry is outdated unless its pod has this time; each pod that has a time has an entry of it.
        self._queue: list[tuple[datetime, str]] = []
        self._stuck: Counter[tuple[str, ReaperReason]] = Counter()
        self.under_way = 0

    def __iter__(self) -> Iterator[TrackedPod]:
        """All of them, as they are now, whatever is put meanwhile."""
        return iter(list(self._pods.values()))

    def get(self, uid: str) -> TrackedPod | None:
        """The pod of this uid."""
        return self._pods.get(uid)

    def put(self, one: TrackedPod) -> None:
        """Put a pod, in the place of the one of the same uid."""
        uid = one.pod.uid
        before = self._pods.get(uid)
        self._count(before, -1)
        self._count(one, 1)
        self._pods[uid] = one
        if one.decide_at is not None and (before is None or before.decide_at != one.decide_at):
            heapq.heappush(self._queue, (one.decide_at, uid))
            self._drop_outdated()

    def pop(self, uid: str) -> TrackedPod | None:
        """Take out the pod of this uid."""
        gone = self._pods.pop(uid, None)
        self._count(gone, -1)
        return gone

    @property
    def next_at(self) -> datetime | None:
        """The earliest time at which something is to be decided."""
        while self._queue and not self._is_current(self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def due(self, now: datetime) -> list[str]:
        """The uids of the pods whose time has come, the earliest first; they stay due until they are put with another time."""
        found: dict[tuple[datetime, str], None] = {}
        while (at := self.next_at) is not None and at <= now:
            found[heapq.heappop(self._queue)] = None
        for entry in found:
            heapq.heappush(self._queue, entry)
        return [uid for _, uid in found]

    def stuck(self) -> Counter[tuple[str, ReaperReason]]:
        """How many are stuck, by namespace and reason."""
        return +self._stuck

    def _count(self, one: TrackedPod | None, by: int) -> None:
        if one is None:
            return
        self.under_way += by * (one.act is not None)
        if one.stuck is not None:
            self._stuck[one.stuck] += by

    def _is_current(self, entry: tuple[datetime, str]) -> bool:
        at, uid = entry
        one = self._pods.get(uid)
        return one is not None and one.decide_at == at

    def _drop_outdated(self) -> None:
        if len(self._queue) > OUTDATED_FOR_EACH * (len(self._pods) + 1):
            self._queue = [(one.decide_at, uid) for uid, one in self._pods.items() if one.decide_at is not None]
            heapq.heapify(self._queue)
