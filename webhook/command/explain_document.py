"""The JSON of ``explain``; docs/explain.schema.json is made from these types."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from webhook.command.pod_change import ContainerChange
from webhook.command.pod_file import SkippedDocument
from webhook.core import Operation, Remedy, Status
from webhook.course.pod_course import PodCourse

VERSION: Final = 1
"""Counted up when a member is removed, renamed or changes its meaning; a new member does not count."""


class AssumedCluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is assumed, read or recorded of the cluster.

    Args:
        support: Whether native sidecars are used there, and why: a word of docs/reference.md.
        version: Its version; null: not known.

    """

    support: str
    version: str | None


class ExplainedPod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pod, and what the webhook does to it.

    Args:
        pod: Namespace and name.
        place: The file and the document; empty for a pod of a cluster.
        template_of: The object whose pod template it is; empty: it is a Pod itself.
        course: What has happened to a task pod that lives; null: it is about to be created, or is none.
        cluster: By what it was decided.
        result: ``skipped``, a treatment, or ``unchanged`` for a pod that was treated before.
        reason: Why: a word of docs/reference.md.
        sentence: The same for people.
        status: The status that the pod carries then; null for a pod that is skipped.
        remedies: What to do about the pod, most pressing first.
        warnings: Lines for whoever creates the pod.
        hints: What the command itself noticed, as an annotation that is misspelt.
        changes: What the patch does to each container.
        patch: The JSON patch (RFC 6902); empty where nothing changes.

    """

    pod: str
    place: str
    template_of: str
    course: PodCourse | None
    cluster: AssumedCluster
    result: str
    reason: str
    sentence: str
    status: Status | None
    remedies: tuple[Remedy, ...]
    warnings: tuple[str, ...]
    hints: tuple[str, ...]
    changes: tuple[ContainerChange, ...]
    patch: tuple[Operation, ...]


class ExplainDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``explain -o json`` prints.

    Args:
        version: Of this form.
        pods: In the order of the files, or of the API server.
        skipped: Documents without a pod.

    """

    version: Literal[1]
    pods: tuple[ExplainedPod, ...]
    skipped: tuple[SkippedDocument, ...] = ()
