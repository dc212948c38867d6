"""The controller: watches the task pods of its namespaces, and ends each that is due, as long as it holds the Lease.

One thread decides. Watches, the Lease and finished acts leave in its inbox what has happened; workers execute the acts and write the
Events. So the agenda belongs to one thread, and an act that waits for a sidecar holds up nothing.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.kube.errors import UnreadableError
from webhook.reaper.act import ActOutcome, ActResult, PastAct
from webhook.reaper.agenda import Agenda
from webhook.reaper.clock import MonotonicClock
from webhook.reaper.decision import ALL_NAMESPACES, decide
from webhook.reaper.event_writer import EventWriter
from webhook.reaper.execution import execute
from webhook.reaper.left_pod_watch import LeftPodWatch
from webhook.reaper.left_pods import LeftPods
from webhook.reaper.namespaces import NamespaceWatch
from webhook.reaper.pod_event import PodEvents
from webhook.reaper.pod_watch import LISTS_AT_ONCE, PodWatch
from webhook.reaper.task_pods import TaskPods
from webhook.reaper.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from webhook.core import Progress
    from webhook.kube.leadership import Leadership
    from webhook.kube.lease import Lease
    from webhook.reaper.agenda import DueAct
    from webhook.reaper.notice import Notice
    from webhook.reaper.scope import ReaperScope
    from webhook.reaper.task_pods import PodApi
    from webhook.reaper.telemetry import ReaperTelemetry
    from webhook.reaper.tracked_pods import TrackedPod

LONGEST_TURN_SECONDS: Final = 5.0
"""Between two turns: the Lease may be lost without any event."""

FAULT_PAUSE_SECONDS: Final = 1.0
"""After a turn that failed: the next one may fail, too."""

LAST_ACTS_SECONDS: Final = 15.0
"""For the acts under way when the controller is to end; the kubelet waits 30 s by default."""

NAMESPACES: Final = "the namespaces that have opted in"

HUNG_SECONDS: Final = 60.0
"""Without a turn for so long, the controller is not alive."""


_MEMORY: Final = msgspec.json.Decoder(dict[str, tuple[PastAct, ...]])


class Controller:
    """The controller. It is the listener of its watches and of its Lease."""

    def __init__(
        self, api: PodApi, scope: ReaperScope, telemetry: ReaperTelemetry, instance: str, now: Callable[[], datetime] | None = None
    ) -> None:
        """Nothing is requested before `start`; ``instance`` is the name of this replica, and ``now`` its clock."""
        self._api, self._scope, self._telemetry, self._now = api, scope, telemetry, now or MonotonicClock()
        self._policy = scope.first_policy
        self._agenda = Agenda(self._policy, is_observing=scope.is_observing)
        self._task_pods = TaskPods(api, scope.catalogue)
        self._left_pods = LeftPods()
        self._events = EventWriter(PodEvents(api, instance), telemetry, self._now)
        # Of its own, so that ten thousand pods that are left displace no Event about what was done to a pod.
        self._left_events = EventWriter(PodEvents(api, instance), telemetry, self._now)
        lists = threading.BoundedSemaphore(LISTS_AT_ONCE)
        self._watches: list[PodWatch | LeftPodWatch | NamespaceWatch] = [
            watch(api, scope.catalogue, namespace, self, lists)
            for namespace in scope.namespaces or (ALL_NAMESPACES,)
            for watch in (PodWatch, LeftPodWatch)
        ]
        self._unread = {_pods_of(namespace) for namespace in scope.namespaces}
        if not scope.namespaces:
            self._watches.append(NamespaceWatch(api, self))
            self._unread = {_pods_of(ALL_NAMESPACES), NAMESPACES}
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._acts = Workers("act")
        self._term: int | None = None
        self._turned_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self, lease: Lease, leadership: Leadership) -> None:
        """Start to watch, and to act once the Lease is held."""
        self._lease, self._leadership = lease, leadership
        self._thread.start()
        for watch in self._watches:
            watch.start()
        leadership.start()

    def stop(self) -> None:
        """Begin no further act, wait for those under way, and let another replica go on."""
        self._stopped.set()
        for watch in self._watches:
            watch.stop()
        self._inbox.put(_nothing)
        self._thread.join(LAST_ACTS_SECONDS + LONGEST_TURN_SECONDS)
        self._leadership.stop()
        self._acts.close(wait=False)
        self._events.stop()
        self._left_events.stop()

    @property
    def unready_reason(self) -> str:
        """Why this replica cannot act yet; "" where it can."""
        # A copy: the watches remove from it.
        unread = sorted(self._unread.copy())
        return f"{', '.join(unread)} have not been read yet" if unread else ""

    @property
    def is_alive(self) -> bool:
        """Whether the deciding thread makes its turns."""
        return time.monotonic() < self._turned_at + HUNG_SECONDS

    def pods_listed(self, namespace: str, pods: Iterable[Progress]) -> None:
        """See `webhook.reaper.pod_watch.PodListener`."""
        self._inbox.put(partial(self._take_list, namespace, tuple(pods)))

    def pod_seen(self, pod: Progress) -> None:
        """See `webhook.reaper.pod_watch.PodListener`."""
        self._inbox.put(partial(self._see, pod))

    def pod_gone(self, uid: str) -> None:
        """See `webhook.reaper.pod_watch.PodListener`."""
        self._inbox.put(partial(self._forget, uid))

    def pods_read(self, namespace: str) -> None:
        """See `webhook.reaper.pod_watch.PodListener`."""
        self._unread.discard(_pods_of(namespace))
        self._telemetry.pods_read(namespace)

    def pods_failed(self, namespace: str, problem: Exception) -> None:
        """See `webhook.reaper.pod_watch.PodListener`."""
        # A namespace that cannot be read must not keep the replica from serving the others.
        self._unread.discard(_pods_of(namespace))
        self._telemetry.pods_failed(namespace, problem)

    def pod_left(self, notice: Notice) -> None:
        """See `webhook.reaper.left_pod_watch.LeftPodListener`."""
        self._inbox.put(partial(self._take_left, notice))

    def left_pods_read(self, namespace: str) -> None:
        """See `webhook.reaper.left_pod_watch.LeftPodListener`."""
        self._telemetry.left_pods_read(namespace)

    def left_pods_failed(self, namespace: str, problem: Exception) -> None:
        """See `webhook.reaper.left_pod_watch.LeftPodListener`."""
        self._telemetry.left_pods_failed(namespace, problem)

    def opted_in(self, namespaces: frozenset[str]) -> None:
        """See `webhook.reaper.namespaces.NamespaceListener`."""
        self._inbox.put(partial(self._limit, namespaces))

    def namespaces_read(self) -> None:
        """See `webhook.reaper.namespaces.NamespaceListener`."""
        self._unread.discard(NAMESPACES)
        self._telemetry.namespaces_read()

    def namespaces_failed(self, problem: Exception) -> None:
        """See `webhook.reaper.namespaces.NamespaceListener`."""
        self._unread.discard(NAMESPACES)
        self._telemetry.namespaces_failed(problem)

    def lease_taken(self, term: int, memory: str) -> None:
        """See `webhook.kube.lease.LeaseListener`."""
        self._inbox.put(partial(self._lead, term, memory))

    def lease_failed(self, problem: Exception) -> None:
        """See `webhook.kube.lease.LeaseListener`."""
        self._telemetry.lease_failed(problem)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._turn(self._seconds_to_wait())
        until = time.monotonic() + LAST_ACTS_SECONDS
        while self._agenda.under_way and time.monotonic() < until:
            self._take_inbox(until - time.monotonic())
        for notice in self._agenda.take_notices():
            self._publish(notice)

    def _turn(self, seconds: float) -> None:
        """Take what has happened, waiting at most so long for it, and do what is due."""
        try:
            self._take_inbox(seconds)
            is_leading = self._is_leading()
            if is_leading:
                self._act_on(self._agenda.due(self._now()))
            for notice in self._agenda.take_notices():
                if is_leading:
                    self._publish(notice)
            self._report_left(is_leading=is_leading)
            self._telemetry.turned(self._agenda, self._inbox.qsize(), self._acts.waiting, is_leading=is_leading)
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave every pod
            self._telemetry.fault(problem)
            self._stopped.wait(FAULT_PAUSE_SECONDS)
        self._turned_at = time.monotonic()

    def _seconds_to_wait(self) -> float:
        times = (self._agenda.next_at, self._left_pods.next_at(self._policy.opted_in)) if self._term is not None else ()
        next_at = min((one for one in times if one is not None), default=None)
        if next_at is None:
            return LONGEST_TURN_SECONDS
        return min(LONGEST_TURN_SECONDS, max(0.0, (next_at - self._now()).total_seconds()))

    def _take_inbox(self, seconds: float) -> None:
        try:
            happened = self._inbox.get(timeout=max(seconds, 0.0))
            while True:
                happened()
                happened = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _is_leading(self) -> bool:
        if self._term is not None and not self._lease.is_held:
            self._term = None
            self._telemetry.lease_lost()
        return self._term is not None

    def _lead(self, term: int, memory: str) -> None:
        try:
            acts = _MEMORY.decode(memory) if memory else {}
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            acts = {}
            self._telemetry.memory_lost(UnreadableError("the memory on the Lease cannot be decoded"))
        self._agenda.adopt(acts, self._now())
        self._term = term
        self._telemetry.lease_held(term)

    def _take_list(self, namespace: str, pods: tuple[Progress, ...]) -> None:
        for gone in self._agenda.retain(namespace, {pod.uid for pod in pods}):
            self._count_end(gone)
        for pod in pods:
            self._see(pod)

    def _limit(self, opted_in: frozenset[str]) -> None:
        if opted_in != self._policy.opted_in:
            self._policy = replace(self._policy, opted_in=opted_in)
            self._agenda.change_policy(self._policy, self._now())

    def _see(self, pod: Progress) -> None:
        self._count_end(self._agenda.see(pod, self._now()))

    def _take_left(self, notice: Notice) -> None:
        self._left_pods.add(notice, self._now(), self._policy.opted_in)

    def _report_left(self, *, is_leading: bool) -> None:
        """Report pods that the webhook left, if this replica acts; another one remembers them for a while."""
        now = self._now()
        self._left_pods.drop_old(now, self._policy.opted_in)
        for notice in self._left_pods.take(now, self._policy.opted_in) if is_leading else ():
            self._telemetry.noticed(notice)
            self._left_events.write(notice)

    def _forget(self, uid: str) -> None:
        self._count_end(self._agenda.forget(uid))

    def _count_end(self, gone: TrackedPod | None) -> None:
        """A pod has left the agenda; the replica that acts counts it."""
        if gone is not None and self._term is not None:
            self._telemetry.pod_ended((self._now() - gone.since).total_seconds())

    def _act_on(self, due: list[DueAct]) -> None:
        if due and self._term is not None:
            self._remember()
            for one in due:
                self._acts.submit(one.pod.namespace, partial(self._execute, one, self._term))

    def _remember(self) -> None:
        """Leave the memory on the Lease, with its next write."""
        if self._term is not None:
            self._lease.put_memory(self._term, msgspec.json.encode(self._agenda.memory(self._now())).decode())

    def _execute(self, due: DueAct, term: int) -> None:
        """In a worker: nothing is done that is not remembered."""
        result: ActResult | None = None
        try:
            if self._lease.write_memory(term):
                result = execute(self._api, due.pod, due.act, partial(self._is_still_due, due))
        except Exception as problem:  # noqa: BLE001  an act without an outcome would be under way for ever
            self._telemetry.fault(problem)
            result = ActResult(ActOutcome.FAILED, type(problem).__name__)
        self._inbox.put(partial(self._take_result, due, result))

    def _is_still_due(self, due: DueAct) -> bool:
        pod = self._task_pods.again(due.pod)
        if pod is None or not self._lease.is_held:
            return False
        return decide(pod, self._policy, self._now(), due.past, due.work_ended_at).act == due.act

    def _take_result(self, due: DueAct, result: ActResult | None) -> None:
        if result is None:
            self._agenda.postpone(due, self._now())
        else:
            self._agenda.end(due, result.outcome, result.detail, self._now())
            self._telemetry.acted(due, result)
        self._remember()

    def _publish(self, notice: Notice) -> None:
        self._telemetry.noticed(notice)
        self._events.write(notice)


def _pods_of(namespace: str) -> str:
    return f"the pods of {namespace or 'all namespaces'}"


def _nothing() -> None:
    """Ends the wait for what happens."""
