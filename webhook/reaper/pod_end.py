"""The end of one pod in a pass, from the first act until the kubelet has ended it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from webhook.kube.errors import ClusterError
from webhook.reaper import notice
from webhook.reaper.act import ActOutcome, PastAct
from webhook.reaper.decision import decide
from webhook.reaper.execution import execute
from webhook.reaper.reason import ReaperReason
from webhook.reaper.rights import BY_METHOD, named
from webhook.reaper.sweep_report import ActRecord, PodReport, SweepProblem, request_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.core import Progress
    from webhook.reaper.act import Act
    from webhook.reaper.decision import PodDecision, ReaperPolicy
    from webhook.reaper.notice import Notice
    from webhook.reaper.task_pods import PodApi, TaskPods

VERIFY: Final = timedelta(seconds=60)
"""After the last act on a pod, until the kubelet has ended it: its grace period is 30 s by default."""

MOST_ROUNDS: Final = 40
"""Decisions about one pod in a pass: three sidecars, two methods, three attempts, and a wait after each."""

MOST_TIME: Final = timedelta(minutes=5)
"""For one pod in a pass, until its last act or wait begins: the next pass goes on with it, and others wait for a worker."""

_OUT_OF_TIME: Final = "it takes too long, and others wait; the next pass goes on with it"

AWAITED: Final = frozenset({ReaperReason.ENDING, ReaperReason.PAUSE})
"""What a pass waits for, until the time that the decision names."""

FOLLOWS_AN_ACT: Final = frozenset({ReaperReason.DEADLINE_PASSED, ReaperReason.NOTHING_RUNS, ReaperReason.ENDS_BY_ITSELF})
"""What a pass waits for after an act of its own, for `VERIFY`."""


@dataclass
class PodEnd:
    """The end of one pod: decide, act, wait for what follows, and decide again.

    Args:
        api: The API server.
        task_pods: Reads the pod.
        policy: What is allowed.
        now: The clock.
        publish: Takes what people should know.
        pod: As it was read last.
        decision: The last one.
        is_gone: Whether the pod no longer exists.
        past: The acts on it, oldest first.
        acts: The same for the report.
        problems: What could not be done.

    """

    api: PodApi
    task_pods: TaskPods
    policy: ReaperPolicy
    now: Callable[[], datetime]
    publish: Callable[[Notice], None]
    pod: Progress
    decision: PodDecision
    is_gone: bool = False
    past: list[PastAct] = field(default_factory=list)
    acts: list[ActRecord] = field(default_factory=list)
    problems: list[SweepProblem] = field(default_factory=list)

    @property
    def report(self) -> PodReport:
        """What became of the pod."""
        return PodReport(self.pod, self.decision, tuple(self.acts), self.is_gone)

    def run(self) -> PodEnd:
        """Go on until nothing more is to be done, or the pod has had its time."""
        doing = ("read the pod", "get pods")
        until = self.now() + MOST_TIME
        try:
            self._take(self.task_pods.again(self.pod))
            for _ in range(MOST_ROUNDS):
                if self._is_over or self.now() >= until:
                    break
                if self.decision.act is not None:
                    doing = ("read the pod", "get pods")
                    self._do(self.decision.act)
                    self._take(self.task_pods.again(self.pod))
                else:
                    doing = ("watch the pod", "watch pods")
                    self._take(self.task_pods.changed(self.pod, ceil(self._seconds_to_wait())))
            if not self._is_over:
                self.problems.append(SweepProblem(self.pod.namespace, f"end the pod {self.pod.name}", _OUT_OF_TIME))
        except ClusterError as error:
            self.problems.append(request_problem(self.pod.namespace, doing[0], error, doing[1]))
        self._publish_end()
        return self

    @property
    def _is_over(self) -> bool:
        """Whether nothing is to be done or to be waited for."""
        return self.is_gone or (self.decision.act is None and self._seconds_to_wait() <= 0)

    def _publish_end(self) -> None:
        """Publish what has become of the pod; of one that somebody has deleted nothing, as it ends by that."""
        if self.pod.is_being_deleted:
            return
        if self.is_gone or self.pod.phase != "Running":
            found = notice.of_end(self.pod) if self.past else None
        else:
            found = notice.if_needed(self.pod, self.decision, notice.reported_end(self.pod), self.now(), is_observing=False)
        if found is not None:
            self.publish(found)

    def _take(self, pod: Progress | None) -> None:
        """Go on with the pod as it is now."""
        if pod is None or not pod.is_being_deleted:
            for found in notice.of_unanswered_ends(self.pod, pod, self.past):
                self.publish(found)
        if pod is None:
            self.is_gone = True
        else:
            self.pod = pod
            self.decision = decide(pod, self.policy, self.now(), self.past)

    def _do(self, act: Act) -> None:
        result = execute(self.api, self.pod, act, lambda: self._is_still_due(act))
        if result is None:
            return
        self.past.append(PastAct(act.method, act.container_id, self.now(), result.outcome))
        self.acts.append(ActRecord(act.method, act.container, result.outcome, result.detail))
        if result.outcome is ActOutcome.ACCEPTED:
            self.publish(notice.of_act(self.pod, act, result.detail))
        if result.outcome is ActOutcome.FORBIDDEN:
            self.problems.append(
                SweepProblem(self.pod.namespace, f"use the method {act.method}", result.detail, named(BY_METHOD[act.method]))
            )

    def _is_still_due(self, act: Act) -> bool:
        pod = self.task_pods.again(self.pod)
        return pod is not None and decide(pod, self.policy, self.now(), self.past).act == act

    def _seconds_to_wait(self) -> float:
        """How long what follows from the acts may take; 0: nothing follows."""
        until = self.decision.again_at if self.decision.reason in AWAITED else None
        if self.decision.reason in FOLLOWS_AN_ACT and self.past:
            until = self.past[-1].at + VERIFY
        return 0.0 if until is None else (until - self.now()).total_seconds()
