"""The pods whose task has ended, what was done to each, and when to decide about it again. It does no I/O and has no clock.

A pod is on the agenda from the moment its task has ended until it no longer runs. An act is remembered as `BEGUN` before it is executed,
and keeps its place in the memory until it is forgotten (`FORGET_AFTER`), or its pod no longer runs: so whoever takes over the memory
repeats nothing.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from webhook.core import Progress
from webhook.reaper import notice
from webhook.reaper.act import Act, ActOutcome, PastAct
from webhook.reaper.decision import ALL_NAMESPACES, FORGET_AFTER, MAY_TAKE_EFFECT, decide, has_work
from webhook.reaper.notice import LINGER, waits_for_somebody
from webhook.reaper.tracked_pods import TrackedPod, TrackedPods

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from webhook.reaper.decision import PodDecision, ReaperPolicy
    from webhook.reaper.notice import Notice
    from webhook.reaper.reason import ReaperReason

POSTPONED: Final = timedelta(seconds=2)
"""Until the next decision about an act that was no longer due, or could not be remembered: the watch is soon as far as the read was."""

MOST_REMEMBERED: Final = 1000
"""Acts: they go into an annotation, which may have 256 KiB, and take up to 229 KiB."""


class DueAct(msgspec.Struct, frozen=True):
    """An act that is due now.

    Args:
        pod: On which pod.
        act: What.
        past: The acts on the pod before it.
        work_ended_at: As of its `TrackedPod`.

    """

    pod: Progress
    act: Act
    past: tuple[PastAct, ...]
    work_ended_at: datetime | None


class Agenda:
    """The pods whose task has ended, and the memory of what was done to them."""

    def __init__(self, policy: ReaperPolicy, *, is_observing: bool) -> None:
        """Know no pod; ``is_observing``: nothing is ever due, and a notice says what would be."""
        self._policy, self._is_observing = policy, is_observing
        self._pods = TrackedPods()
        self._past: dict[str, tuple[PastAct, ...]] = {}
        self._notices: list[Notice] = []

    @property
    def next_at(self) -> datetime | None:
        """When something is to be decided; None: when a pod changes."""
        return self._pods.next_at

    @property
    def under_way(self) -> int:
        """How many acts are under way."""
        return self._pods.under_way

    def stuck(self) -> Counter[tuple[str, ReaperReason]]:
        """How many pods stay Running after their task, but for those in their grace, by namespace and reason of the last decision."""
        return self._pods.stuck()

    def see(self, pod: Progress, now: datetime) -> TrackedPod | None:
        """Take a pod as it is now; a pod that has thereby left the agenda is returned."""
        if pod.is_being_deleted:
            return self._pods.pop(pod.uid)
        if pod.phase != "Running":
            return self.forget(pod.uid)
        known = self._pods.get(pod.uid)
        if known is None and not pod.unfinished:
            return None
        ended_at = known.work_ended_at if known is not None else None
        work_ended_at = None if has_work(pod) else ended_at or now
        if known is None:
            self._pods.put(TrackedPod(pod, now, work_ended_at, now))
        else:
            self._notice_unanswered(known, pod)
            decide_at = None if known.act is not None else now
            self._pods.put(replace(known, pod=pod, work_ended_at=work_ended_at, decide_at=decide_at))
        return None

    def forget(self, uid: str) -> TrackedPod | None:
        """The pod of this uid never runs again: nothing of it is remembered, and it is returned where it was on the agenda."""
        gone = self._pods.pop(uid)
        if gone is not None and uid in self._past:
            self._notice_unanswered(gone, None)
            self._notices.append(notice.of_end(gone.pod))
        self._past.pop(uid, None)
        return gone

    def _notice_unanswered(self, known: TrackedPod, after: Progress | None) -> None:
        """Sidecars have ended after acts without an answer, unless one is under way; ``after``: the pod now, if it runs."""
        if known.act is None:
            self._notices += notice.of_unanswered_ends(known.pod, after, self._past.get(known.pod.uid, ()))

    def retain(self, namespace: str, uids: AbstractSet[str]) -> list[TrackedPod]:
        """Of this namespace, or of `ALL_NAMESPACES`, only the pods of these uids run; those that have thereby left the agenda."""
        here = [one.pod for one in self._pods if namespace in {ALL_NAMESPACES, one.pod.namespace}]
        others = [pod.uid for pod in here if pod.uid not in uids]
        return [gone for uid in others if (gone := self.forget(uid)) is not None]

    def due(self, now: datetime) -> list[DueAct]:
        """Decide about each pod whose time has come; the acts that are due, each of them under way and remembered from now on."""
        return [due for uid in self._pods.due(now) if (due := self._decide(uid, now)) is not None]

    def _decide(self, uid: str, now: datetime) -> DueAct | None:
        known, past = self._pods.get(uid), self._past.get(uid, ())
        assert known is not None  # noqa: S101  it is due
        decision = decide(known.pod, self._policy, now, past, known.work_ended_at)
        is_same = known.decision is not None and (known.decision.reason, known.decision.containers) == (
            decision.reason,
            decision.containers,
        )
        is_noticed = is_same and known.is_noticed
        found = None if is_noticed else notice.if_needed(known.pod, decision, known.since, now, is_observing=self._is_observing)
        if found is not None:
            self._notices.append(found)
            is_noticed = True
        act = None if self._is_observing else decision.act
        decide_at = self._decide_again_at(known, decision, now)
        self._pods.put(replace(known, decision=decision, act=act, decide_at=decide_at, is_noticed=is_noticed))
        if act is None:
            return None
        self._past[uid] = (*past, PastAct(act.method, act.container_id, now, ActOutcome.BEGUN))
        return DueAct(known.pod, act, past, known.work_ended_at)

    @staticmethod
    def _decide_again_at(known: TrackedPod, decision: PodDecision, now: datetime) -> datetime | None:
        if decision.again_at is None and waits_for_somebody(decision) and now < known.since + LINGER:
            return known.since + LINGER
        return decision.again_at

    def end(self, due: DueAct, outcome: ActOutcome, detail: str, now: datetime) -> None:
        """An act has this outcome; ``detail`` is the answer to it."""
        act = due.act
        self._remember(due, (*due.past, PastAct(act.method, act.container_id, now, outcome)))
        if outcome is ActOutcome.ACCEPTED:
            self._notices.append(notice.of_act(due.pod, act, detail))
        elif outcome is ActOutcome.FAILED and act.container and self._has_ended(due):
            self._notices.append(notice.of_unanswered(due.pod, act.container, act.method))
        self._over(due, now)

    def _has_ended(self, due: DueAct) -> bool:
        """Whether the container of an act has ended meanwhile; not where somebody has deleted its pod."""
        known = self._pods.get(due.pod.uid)
        if known is None:
            return due.pod.uid not in self._past
        return due.act.container_id not in {one.id for one in known.pod.running}

    def postpone(self, due: DueAct, now: datetime) -> None:
        """An act was not executed: it was no longer due, or could not be remembered."""
        self._remember(due, due.past)
        self._over(due, now + POSTPONED)

    def _remember(self, due: DueAct, past: tuple[PastAct, ...]) -> None:
        """Remember what was done to the pod of an act, unless it has ended meanwhile."""
        uid = due.pod.uid
        if uid in self._past or self._pods.get(uid) is not None:
            self._past[uid] = past

    def _over(self, due: DueAct, decide_at: datetime) -> None:
        known = self._pods.get(due.pod.uid)
        if known is not None:
            self._pods.put(replace(known, act=None, decide_at=decide_at))

    def memory(self, now: datetime) -> dict[str, tuple[PastAct, ...]]:
        """Every act that still counts, by the uid of its pod; the others are forgotten.

        Of more than `MOST_REMEMBERED` each namespace has its newest, in turns: so a thousand acts on the pods of one have no other one's
        forgotten.
        """
        counting = sorted(
            ((one.at, uid, one) for uid, past in self._past.items() for one in past if now < one.at + FORGET_AFTER), key=_time
        )
        self._past = {}
        for _, uid, one in self._shared(counting):
            self._past[uid] = (*self._past.get(uid, ()), one)
        return dict(self._past)

    def _shared(self, acts: list[tuple[datetime, str, PastAct]]) -> Iterator[tuple[datetime, str, PastAct]]:
        """The acts, oldest first, that each namespace has in its turns."""
        newer: Counter[str | None] = Counter()
        turns: list[tuple[int, int]] = []
        for age, (_, uid, _act) in enumerate(reversed(acts)):
            namespace = self._namespace_of(uid)
            turns.append((newer[namespace], age))
            newer[namespace] += 1
        remembered = {age for _, age in sorted(turns)[:MOST_REMEMBERED]}
        return (one for place, one in enumerate(acts) if len(acts) - 1 - place in remembered)

    def _namespace_of(self, uid: str) -> str | None:
        """The namespace of a pod; None: it is not on the agenda, as those of another replica before the first list."""
        known = self._pods.get(uid)
        return None if known is None else known.pod.namespace

    def adopt(self, memory: Mapping[str, tuple[PastAct, ...]], now: datetime) -> None:
        """Take over the memory of whoever acted before, and decide about every pod again; an act that is under way stays remembered.

        What may still take effect counts as done now: the clock of the other may differ.
        """
        under_way = {one.pod.uid: self._past.get(one.pod.uid, ()) for one in self._pods if one.act is not None}
        taken_over = {uid: tuple([_no_earlier(one, now) for one in past]) for uid, past in memory.items()}
        self._past = {**taken_over, **under_way}
        for one in self._pods:
            if one.act is None:
                self._pods.put(replace(one, decide_at=now, decision=None))

    def change_policy(self, policy: ReaperPolicy, now: datetime) -> None:
        """Decide about every pod by this policy from now on."""
        self._policy = policy
        for one in self._pods:
            if one.act is None:
                self._pods.put(replace(one, decide_at=now))

    def take_notices(self) -> Iterator[Notice]:
        """What is to be published, once."""
        notices, self._notices = self._notices, []
        yield from notices


def _no_earlier(act: PastAct, now: datetime) -> PastAct:
    """An act of another replica, as if its drain began now."""
    return replace(act, at=now if act.outcome in MAY_TAKE_EFFECT else min(act.at, now))


def _time(entry: tuple[datetime, str, PastAct]) -> datetime:
    return entry[0]
