"""The JSON of ``doctor``; docs/doctor.schema.json is made from these types."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from webhook.course.pod_course import Step
from webhook.course.stuck_pod import StuckPod
from webhook.doctor.finding import Severity
from webhook.doctor.fleet import NamespaceCount

VERSION: Final = 1
"""Counted up when a member is removed, renamed or changes its meaning; a new member does not count."""


class ReportedFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding.

    Args:
        id: What was found: a heading of docs/findings.md.
        severity: How much it matters.
        sentence: What was found.
        remedy: What to do; empty where nothing is to be done.
        steps: What to do in detail, with lines to paste.
        values: The values in sentence and remedy.
        see: Where to read more: the page and its anchor.

    """

    id: str
    severity: Severity
    sentence: str
    remedy: str
    steps: tuple[Step, ...]
    values: dict[str, str]
    see: str


class DoctorDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``doctor -o json`` prints.

    Args:
        version: Of this form.
        server: The URL of the API server.
        context: The context of the kubeconfig.
        namespace: The namespace of the task pods.
        is_complete: Whether every check could be made.
        findings: In the order of the checks.

    """

    version: Literal[1]
    server: str
    context: str
    namespace: str
    is_complete: bool
    findings: tuple[ReportedFinding, ...]


class FleetDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``doctor -A -o json`` prints.

    Args:
        version: Of this form.
        server: The URL of the API server.
        context: The context of the kubeconfig.
        is_complete: Whether the pods of every namespace could be listed.
        namespaces: Those that have opted in.
        stuck_pods: Those that stay Running after their task, the one first that is stuck for the longest time.
        stuck_slot_hours: What the stuck pods have wasted, in slot-hours; a pod counts 0 whose kubelet does not say when its task ended.

    """

    version: Literal[1]
    server: str
    context: str
    is_complete: bool
    namespaces: tuple[NamespaceCount, ...]
    stuck_pods: tuple[StuckPod, ...]
    stuck_slot_hours: float
