"""A pod that stays Running after its task: why the webhook did not let it end, and what to do, for it and for the pods to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from webhook.core import Remedy, RulesError, SkipReason, cluster_at_admission, treat
from webhook.course.course_reader import course_of
from webhook.course.kubectl import Kubectl
from webhook.course.pod_course import PodCourse, stuck_for
from webhook.course.wasted_time import wasted_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from webhook.core import Cluster, Outcome, Policy, Progress
    from webhook.course.wasted_time import WastedTime


class StuckPod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pod that stays Running after its task, until somebody does something.

    Args:
        namespace: Its namespace.
        name: Its name.
        course: What has happened to it, and what ends it now.
        reason: What the webhook recorded on it: a word of docs/reference.md; ``audited``: it changed nothing, by its settings;
            a reason to skip: it skips such a pod; ``no-status``: it has not seen the pod.
        remedies: What to change so that a new pod like it ends: first about the containers that run, then about the pod.

    """

    namespace: str
    name: str
    course: PodCourse
    reason: str
    remedies: tuple[Remedy, ...]

    @property
    def unended(self) -> str:
        """The containers that keep it from ending."""
        return ", ".join(self.course.unended)

    def stuck_for(self, now: datetime) -> str:
        """The time since its task ended, for people."""
        return stuck_for(self.course.ended_at, now)

    def wasted_time(self, now: datetime) -> WastedTime | None:
        """For how long it has occupied its slot after its task; None: the kubelet does not say."""
        return wasted_time(self.course.ended_at, now, now)

    @property
    def remedy(self) -> str:
        """The first thing to change, with the line to paste; where there is nothing to change, what ends this pod now."""
        first, step = next(iter(self.remedies), None), self.course.now[0]
        return f"{step.text} {step.line}".rstrip() if first is None else first.instruction


@dataclass(frozen=True, slots=True)
class StuckPodReader:
    """Reads stuck pods.

    Args:
        policy: The webhook's.
        cluster: By which a pod is judged that the webhook has not seen.
        context: Of the kubeconfig, for the lines of kubectl; None: the current one.
        now: The time.

    """

    policy: Policy
    cluster: Cluster
    context: str | None
    now: datetime

    def read(self, pod: bytes, progress: Progress) -> StuckPod | None:
        """A task pod, as JSON and as far as it has come; None: it is not stuck, and nothing may be at work in it for ever."""
        if not progress.outlives_task:
            return None
        course = course_of(progress, Kubectl(self.context, progress.namespace, progress.name), self.now)
        if not course.needs_a_person:
            return None
        outcome = self._treat(pod)
        if outcome is None:
            return StuckPod(progress.namespace, progress.name, course, course.webhook_word, ())
        course = course.with_reason(outcome.reason)
        return StuckPod(progress.namespace, progress.name, course, course.webhook_word, self._remedies(pod, outcome, course))

    def remedies(self, pod: bytes) -> tuple[Remedy, ...]:
        """All of a pod, given as JSON, by the cluster that its status names, else by this one; none where the rules have a bug.

        Such a pod must not hide the other ones; ``explain`` of it shows the bug.
        """
        outcome = self._treat(pod)
        return outcome.remedies if outcome else ()

    def why_skipped(self, pod: bytes) -> SkipReason | None:
        """Why the webhook skips such a pod, given as JSON; None: it does not."""
        outcome = self._treat(pod)
        return outcome.reason if outcome and isinstance(outcome.reason, SkipReason) else None

    def _treat(self, pod: bytes) -> Outcome | None:
        try:
            return treat(pod, self.policy, cluster_at_admission(pod) or self.cluster)
        except RulesError:
            return None

    def _remedies(self, pod: bytes, outcome: Outcome, course: PodCourse) -> tuple[Remedy, ...]:
        """Those of the recorded reason and of the containers that run; where there are none, all without which the pod may not end.

        Of a pod whose status does not say by which cluster it was treated, only what a new one cannot end without is known.
        """
        is_recorded = cluster_at_admission(pod) is not None
        remedies = [one for one in outcome.remedies if is_recorded or one.is_pressing]
        running = {one.name for one in course.running}
        about_containers = tuple([one for one in remedies if not running.isdisjoint(one.containers)])
        about_pod = tuple([one for one in remedies if one.reason == course.recorded_reason and not one.containers])
        return (*about_containers, *about_pod) or tuple([one for one in remedies if one.is_pressing])


def longest_first(pods: Iterable[StuckPod]) -> tuple[StuckPod, ...]:
    """Those first whose task ended first, or at a time that nobody knows."""
    return tuple(sorted(pods, key=lambda one: (one.course.ended_at is not None, one.course.ended_at)))
