"""Pods that are stuck: the task has ended, and a container keeps the pod Running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.course.pod_course import PodCourse, Step
from webhook.doctor.finding import Finding, FindingId, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from webhook.course.stuck_pod import StuckPod

MAX_LISTED: Final = 20
"""Stuck pods in one report: those that are stuck for the longest time."""


def check_stuck_pods(namespace: str, count: int, stuck: Sequence[StuckPod], now: datetime) -> Iterator[Finding]:
    """One finding for each stuck pod, or that there are none among so many task pods."""
    for pod in stuck[:MAX_LISTED]:
        yield _stuck(pod, now)
    if len(stuck) > MAX_LISTED:
        yield found(FindingId.MORE_STUCK_PODS, count=len(stuck) - MAX_LISTED, namespace=namespace)
    if not stuck:
        yield found(FindingId.NO_STUCK_PODS, namespace=namespace, count=count)


def _stuck(pod: StuckPod, now: datetime) -> Finding:
    course = pod.course
    kinds = {one.name: one.kind for one in course.running}
    finding = found(
        FindingId.STUCK_POD,
        pod=pod.name,
        state=course.state,
        dag=course.dag or "unknown",
        task=course.task or "unknown",
        ended=course.when_ended(now) or " at a time that the kubelet does not say",
        containers=", ".join(f"{name} ({kinds.get(name, 'not started')})" for name in course.unended),
        webhook=" ".join(_webhook(course)).removesuffix("."),
    )
    return msgspec.structs.replace(finding, steps=tuple(_steps(pod)))


def _webhook(course: PodCourse) -> Iterator[str]:
    """What it did about the pod, and why the pod is stuck in spite of that."""
    yield f"{course.webhook_sentence.removesuffix('.')}."
    if course.why and course.is_seen:
        yield f"{course.why}: {course.why_sentence}"


def _steps(pod: StuckPod) -> Iterator[Step]:
    yield from (Step(f"now: {step.text}", step.line) for step in pod.course.now)
    for remedy in pod.remedies:
        where = f" {remedy.verb.capitalize()} {remedy.where}:" if remedy.line else ""
        yield Step(f"new pods: {remedy.subject}: {remedy.text}{where}", remedy.line)
