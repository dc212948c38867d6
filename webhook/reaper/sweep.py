"""One pass over the task pods of some namespaces: decide about each, end those that are due, and see that they end."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import Progress
from webhook.kube.errors import ClusterError, RefusedError
from webhook.reaper.act import ACTS_AT_ONCE, ActOutcome, Method, PastAct
from webhook.reaper.carrying_out import carry_out
from webhook.reaper.decision import PodDecision, decide
from webhook.reaper.reason import ReaperReason
from webhook.reaper.rights import BY_METHOD, named
from webhook.reaper.task_pods import TaskPods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from webhook.core import Catalogue
    from webhook.reaper.act import Act
    from webhook.reaper.decision import ReaperPolicy
    from webhook.reaper.task_pods import PodApi

VERIFY: Final = timedelta(seconds=60)
"""After the last act on a pod, until the kubelet has ended it: its grace period is 30 s by default."""

MOST_ROUNDS: Final = 40
"""Decisions about one pod in a pass: three sidecars, two methods, three attempts, and a wait after each."""

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403

AWAITED: Final = frozenset({ReaperReason.ENDING, ReaperReason.PAUSE})
"""What a pass waits for, until the time that the decision names."""

FOLLOWS_AN_ACT: Final = frozenset({ReaperReason.DEADLINE_PASSED, ReaperReason.NOTHING_RUNS, ReaperReason.ENDS_BY_ITSELF})
"""What a pass waits for after an act of its own, for `VERIFY`."""


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


@dataclass(frozen=True, slots=True)
class Sweep:
    """How a pass is made.

    Args:
        api: The API server.
        catalogue: The known sidecars.
        policy: What is allowed.
        is_dry: Whether nothing is done.
        now: The clock.

    """

    api: PodApi
    catalogue: Catalogue
    policy: ReaperPolicy
    is_dry: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, namespaces: Iterable[str]) -> SweepReport:
        """Make the pass. ClusterError: the API server did not respond to the first list, or does not accept the credentials (401)."""
        found = _Found(self, TaskPods(self.api, self.catalogue))
        with ThreadPoolExecutor(ACTS_AT_ONCE, thread_name_prefix="reaper") as workers:
            for namespace in namespaces:
                found.visit_all(namespace, workers)
        return found.report()


@dataclass
class _Found:
    """What a pass has found so far."""

    sweep: Sweep
    task_pods: TaskPods
    counts: Counter[ReaperReason] = field(default_factory=Counter)
    untouched: list[PodReport] = field(default_factory=list)
    ends: list[Future[_PodEnd]] = field(default_factory=list)
    problems: list[SweepProblem] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    is_answered: bool = False

    def visit_all(self, namespace: str, workers: ThreadPoolExecutor) -> None:
        """Decide about each Running pod of a namespace, and have those ended that are due.

        Raises:
            ClusterError: The API server did not respond to the first list, or does not accept the credentials (401). Later that is a
                problem in the report, which says what was done before.

        """
        try:
            for pod in self.task_pods.running(namespace):
                self.is_answered = True
                if pod.uid not in self.seen:
                    self.seen.add(pod.uid)
                    self._visit(pod, workers)
        except ClusterError as error:
            if not (self.is_answered or _is_of_the_namespace(error)):
                raise
            self.problems.append(_problem(namespace, "list the pods", error, "list pods"))
        self.is_answered = True

    def _visit(self, pod: Progress, workers: ThreadPoolExecutor) -> None:
        decision = decide(pod, self.sweep.policy, self.sweep.now())
        self.counts[decision.reason] += 1
        if decision.act is not None and not self.sweep.is_dry:
            self.ends.append(workers.submit(_PodEnd(self.sweep, self.task_pods, pod, decision).run))
        elif pod.unfinished:
            self.untouched.append(PodReport(pod, decision))

    def report(self) -> SweepReport:
        """The report, once every end that is under way is over."""
        ended = [end.result() for end in self.ends]
        pods = [*self.untouched, *(end.report for end in ended)]
        problems = dict.fromkeys([*self.problems, *(problem for end in ended for problem in end.problems)])
        order = sorted(pods, key=lambda one: (one.pod.namespace, one.pod.name))
        return SweepReport(tuple(order), dict(self.counts), tuple(problems))


@dataclass
class _PodEnd:
    """The end of one pod: decide, act, wait for what follows, and decide again."""

    sweep: Sweep
    task_pods: TaskPods
    pod: Progress
    decision: PodDecision
    is_gone: bool = False
    past: list[PastAct] = field(default_factory=list)
    acts: list[ActRecord] = field(default_factory=list)
    problems: list[SweepProblem] = field(default_factory=list)

    @property
    def report(self) -> PodReport:
        return PodReport(self.pod, self.decision, tuple(self.acts), self.is_gone)

    def run(self) -> _PodEnd:
        doing = ("read the pod", "get pods")
        try:
            self._take(self.task_pods.again(self.pod))
            for _ in range(MOST_ROUNDS):
                if self.is_gone:
                    break
                if self.decision.act is not None:
                    doing = ("read the pod", "get pods")
                    self._do(self.decision.act)
                    self._take(self.task_pods.again(self.pod))
                elif (seconds := self._seconds_to_wait()) > 0:
                    doing = ("watch the pod", "watch pods")
                    self._take(self.task_pods.changed(self.pod, ceil(seconds)))
                else:
                    break
        except ClusterError as error:
            self.problems.append(_problem(self.pod.namespace, doing[0], error, doing[1]))
        return self

    def _take(self, pod: Progress | None) -> None:
        """Go on with the pod as it is now."""
        if pod is None:
            self.is_gone = True
        else:
            self.pod = pod
            self.decision = decide(pod, self.sweep.policy, self.sweep.now(), self.past)

    def _do(self, act: Act) -> None:
        result = carry_out(self.sweep.api, self.pod, act, lambda: self._is_still_due(act))
        if result is None:
            return
        self.past.append(PastAct(act.method, act.container_id, self.sweep.now(), result.outcome))
        self.acts.append(ActRecord(act.method, act.container, result.outcome, result.detail))
        if result.outcome is ActOutcome.FORBIDDEN:
            self.problems.append(
                SweepProblem(self.pod.namespace, f"use the method {act.method}", result.detail, named(BY_METHOD[act.method]))
            )

    def _is_still_due(self, act: Act) -> bool:
        pod = self.task_pods.again(self.pod)
        return pod is not None and decide(pod, self.sweep.policy, self.sweep.now(), self.past).act == act

    def _seconds_to_wait(self) -> float:
        """How long what follows from the acts may take; 0: nothing follows."""
        until = self.decision.again_at if self.decision.reason in AWAITED else None
        if self.decision.reason in FOLLOWS_AN_ACT and self.past:
            until = self.past[-1].at + VERIFY
        return 0.0 if until is None else (until - self.sweep.now()).total_seconds()


def _problem(namespace: str, what: str, error: ClusterError, right: str) -> SweepProblem:
    return SweepProblem(namespace, what, str(error), right if _is_forbidden(error) else "")


def _is_of_the_namespace(error: ClusterError) -> bool:
    """Whether lists of other namespaces may succeed."""
    return isinstance(error, RefusedError) and error.status != UNAUTHORIZED


def _is_forbidden(error: ClusterError) -> bool:
    return isinstance(error, RefusedError) and error.status == FORBIDDEN
