"""What ``report`` says; ``report -o json`` prints it, and docs/report.schema.json is made from these types."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Literal

import msgspec

from webhook.course.stuck_pod import StuckPod
from webhook.doctor.finding import Severity
from webhook.doctor.fleet import NamespaceCount

VERSION: Final = 1
"""Counted up when a member is removed, renamed or changes its meaning; a new member does not count."""


class TreatmentCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Task pods on which the webhook recorded the same treatment for the same reason.

    Args:
        treatment: The treatment; of pods without the webhook's status ``skipped`` where it skips such a pod, else ``not seen``.
        reason: Why: a word of docs/reference.md.
        sentence: The same for people.
        remedy: What to do about it; empty where nothing is to be done, or where it depends on the pod.
        pods: How many.
        example: Namespace and name of one of them.

    """

    treatment: str
    reason: str
    sentence: str
    remedy: str
    pods: int
    example: str


class SidecarCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sidecar that the webhook met.

    Args:
        name: The name of its container.
        end: How it ends: a word of docs/reference.md.
        pods: In how many pods.

    """

    name: str
    end: str
    pods: int


class WeekCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A week.

    Args:
        begins: Its Monday, in UTC.
        slot_hours: What pods wasted in it.
        pods: How many pods did.

    """

    begins: date
    slot_hours: float
    pods: int


class FoundInNamespaces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding of the doctor's.

    Args:
        id: What was found: a heading of docs/findings.md.
        severity: How much it matters.
        sentence: What was found in the first of the namespaces.
        remedy: What to do there; empty where nothing is to be done.
        see: Where to read more: the page and its anchor.
        namespaces: Where it was found.

    """

    id: str
    severity: Severity
    sentence: str
    remedy: str
    see: str
    namespaces: tuple[str, ...]


class ReportDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``report -o json`` prints.

    Args:
        version: Of this form.
        written_at: When.
        server: The URL of the API server.
        context: The context of the kubeconfig.
        is_complete: Whether the pods of every namespace could be listed, and every check could be made.
        namespaces: Those that were read.
        pods: How many task pods there are, ended ones included, as long as the cluster has them.
        treatments: By treatment and reason, the most frequent first.
        stuck_pods: Those that stay Running after their task, the one first that is stuck for the longest time.
        stuck_slot_hours: What the stuck pods have wasted, in slot-hours; a pod counts 0 whose kubelet does not say when its task ended.
        weeks: The last weeks, the current one last.
        sidecars: The most frequent first.
        versions: How many pods each version of the webhook has treated.
        findings: What is wrong, or could not be checked; problems first.

    """

    version: Literal[1]
    written_at: datetime
    server: str
    context: str
    is_complete: bool
    namespaces: tuple[NamespaceCount, ...]
    pods: int
    treatments: tuple[TreatmentCount, ...]
    stuck_pods: tuple[StuckPod, ...]
    stuck_slot_hours: float
    weeks: tuple[WeekCount, ...]
    sidecars: tuple[SidecarCount, ...]
    versions: dict[str, int]
    findings: tuple[FoundInNamespaces, ...]

    @property
    def slot_hours(self) -> float:
        """Of all weeks."""
        return sum(week.slot_hours for week in self.weeks)
