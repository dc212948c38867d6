"""One pass over the task pods of some namespaces: decide about each, end those that are due, and see that they end."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from webhook.kube.errors import ClusterError, RefusedError
from webhook.reaper import notice
from webhook.reaper.decision import decide
from webhook.reaper.namespaces import missing_namespace
from webhook.reaper.pod_end import PodEnd
from webhook.reaper.sweep_events import SweepEvents
from webhook.reaper.sweep_report import PodReport, SweepProblem, SweepReport, request_problem
from webhook.reaper.task_pods import TaskPods
from webhook.reaper.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from webhook.core import Catalogue, Progress
    from webhook.reaper.decision import PodDecision, ReaperPolicy
    from webhook.reaper.reason import ReaperReason
    from webhook.reaper.task_pods import PodApi


@dataclass(frozen=True, slots=True)
class Sweep:
    """How a pass is made.

    Args:
        api: The API server.
        catalogue: The known sidecars.
        policy: What is allowed.
        is_dry: Whether nothing is done to a pod, and its Event says what would be.
        now: The clock.
        instance: The name of who makes the pass, for its Events.

    """

    api: PodApi
    catalogue: Catalogue
    policy: ReaperPolicy
    is_dry: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    instance: str = field(default_factory=socket.gethostname)

    def run(self, namespaces: Iterable[str]) -> SweepReport:
        """Make the pass. ClusterError: the API server did not respond to the first list, or does not accept the credentials (401)."""
        found = _Found(self, TaskPods(self.api, self.catalogue), SweepEvents(self.api, self.instance, self.now))
        with Workers("reaper") as workers:
            for namespace in namespaces:
                found.visit_all(namespace, workers)
            return found.report()


@dataclass
class _Found:
    """What a pass has found so far."""

    sweep: Sweep
    task_pods: TaskPods
    events: SweepEvents
    counts: Counter[ReaperReason] = field(default_factory=Counter)
    untouched: list[PodReport] = field(default_factory=list)
    ends: list[Future[PodEnd]] = field(default_factory=list)
    problems: list[SweepProblem] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    is_answered: bool = False

    def visit_all(self, namespace: str, workers: Workers) -> None:
        """Decide about each Running pod of a namespace, and have those ended that are due.

        Raises:
            ClusterError: The API server did not respond to the first list, or does not accept the credentials (401). Later that is a
                problem in the report, which says what was done before.

        """
        is_empty = True
        try:
            for pod in self.task_pods.running(namespace):
                self.is_answered, is_empty = True, False
                if pod.uid not in self.seen:
                    self.seen.add(pod.uid)
                    self._visit(pod, workers)
        except ClusterError as error:
            if not (self.is_answered or _is_of_the_namespace(error)):
                raise
            self.problems.append(request_problem(namespace, "list the pods", error, "list pods"))
        else:
            self._check_existence(namespace, is_empty=is_empty)
        self.is_answered = True

    def _check_existence(self, namespace: str, *, is_empty: bool) -> None:
        """Report a namespace that does not exist: the API server lists its pods all the same, and there are none."""
        is_named = self.sweep.policy.opted_in is None
        missing = missing_namespace(self.sweep.api, namespace) if is_empty and is_named else None
        if missing is not None:
            self.problems.append(request_problem(namespace, "list the pods", missing, ""))

    def _visit(self, pod: Progress, workers: Workers) -> None:
        now = self.sweep.now()
        decision = decide(pod, self.sweep.policy, now)
        self.counts[decision.reason] += 1
        if decision.act is not None and not self.sweep.is_dry:
            self.ends.append(workers.submit(pod.namespace, self._end_of(pod, decision).run))
        elif pod.unfinished:
            self.untouched.append(PodReport(pod, decision))
            found = notice.if_needed(pod, decision, notice.reported_end(pod), now, is_observing=self.sweep.is_dry)
            if found is not None:
                self.events.write(found)

    def _end_of(self, pod: Progress, decision: PodDecision) -> PodEnd:
        return PodEnd(self.sweep.api, self.task_pods, self.sweep.policy, self.sweep.now, self.events.write, pod, decision)

    def report(self) -> SweepReport:
        """The report, once every end that is under way is over, and the Events are written."""
        ended = [end.result() for end in self.ends]
        pods = [*self.untouched, *(end.report for end in ended)]
        problems = dict.fromkeys([*self.problems, *(problem for end in ended for problem in end.problems), *self.events.finish()])
        order = sorted(pods, key=lambda one: (one.pod.namespace, one.pod.name))
        return SweepReport(tuple(order), dict(self.counts), tuple(problems))


def _is_of_the_namespace(error: ClusterError) -> bool:
    """Whether lists of other namespaces may succeed."""
    return isinstance(error, RefusedError) and error.status != HTTPStatus.UNAUTHORIZED
