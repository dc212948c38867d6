"""A pod for a bug report: what was decided about it, in the webhook's own words, without a word of its author."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import BASE_CONTAINER, POD_OPTIONS, built_in_sidecars, read_version, recorded_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.command.explanation import Explanation
    from webhook.course.pod_course import PodCourse

OTHER: Final = "other"
ENDS: Final = frozenset({"Completed", "Error", "OOMKilled", "ContainerCannotRun", "StartError", "DeadlineExceeded"})
"""Words of kubelet and runtime for the end of a container."""


class RedactedCourse(msgspec.Struct, frozen=True):
    """What has happened to a pod.

    Args:
        state: How far it has come.
        why: What keeps it Running; null: nothing that is known.
        exit_code: The task's; null: it has not ended.
        end: The kubelet's word for its end.
        running: The kinds of the containers beside the task's that run.
        waiting: How many containers wait for the kubelet.
        recorded_reason: The reason in the pod's status; empty: it carries no status.
        recorded_version: The webhook's version in it.

    """

    state: str
    why: str | None
    exit_code: int | None
    end: str
    running: tuple[str, ...]
    waiting: int
    recorded_reason: str
    recorded_version: str


class RedactedPod(msgspec.Struct, frozen=True):
    """What was decided about a pod.

    Args:
        result: ``skipped``, a treatment, or ``unchanged``.
        reason: Why.
        containers: How many there are in each list of the spec.
        sidecars: How each container beside the task ends: its name where the catalogue has it, and the way.
        unknown: How many containers nobody knows.
        no_native: What the cluster lacks; null: nothing.
        not_converted: The reasons of sidecars that stay regular containers.
        changes: What becomes of each container that the patch changes.
        remedies: The reasons for which there is something to do.
        invalid_annotations: The webhook's annotations whose values are not allowed; ``other``: one that does not exist.
        course: What has happened to it; null: it is no task pod.

    """

    result: str
    reason: str
    containers: dict[str, int]
    sidecars: tuple[tuple[str, str], ...]
    unknown: int
    no_native: str | None
    not_converted: tuple[str, ...]
    changes: tuple[str, ...]
    remedies: tuple[str, ...]
    invalid_annotations: tuple[str, ...]
    course: RedactedCourse | None


def known_names() -> frozenset[str]:
    """Names of containers that no pod's author has thought up: those of the built-in catalogue that are no patterns."""
    names = [name for row in built_in_sidecars() if row.match for name in row.match.names]
    return frozenset([BASE_CONTAINER, *(name for name in names if not set(name) & set("*?["))])


def redacted_pod(one: Explanation, names: frozenset[str]) -> RedactedPod:
    """What may be shown of an explanation; ``names``: of containers, which may be shown."""
    outcome, status = one.outcome, one.outcome.status
    return RedactedPod(
        result=str(outcome.result),
        reason=str(outcome.reason),
        containers=_containers(one.pod.get("spec")),
        sidecars=tuple([(name if name in names else OTHER, str(end)) for name, end in status.sidecars.items()]) if status else (),
        unknown=len(status.may_keep_running) if status else 0,
        no_native=str(status.no_native) if status and status.no_native else None,
        not_converted=tuple(map(str, status.not_converted.values())) if status else (),
        changes=tuple([change.how for change in one.as_document().changes]),
        remedies=tuple([str(remedy.reason) for remedy in outcome.remedies]),
        invalid_annotations=tuple([bad.key if bad.key in POD_OPTIONS else OTHER for bad in outcome.invalid_annotations.named]),
        course=None if one.course is None else _course(one.course),
    )


def _containers(spec: object) -> dict[str, int]:
    lists: Mapping[str, object] = spec if isinstance(spec, dict) else {}
    return {name: len(value) for name in ("initContainers", "containers") if isinstance(value := lists.get(name), list)}


def _course(course: PodCourse) -> RedactedCourse:
    version = read_version(course.recorded_version)
    return RedactedCourse(
        state=str(course.state),
        why=str(course.why) if course.why else None,
        exit_code=course.end.exit_code if course.end else None,
        end="" if course.end is None or not course.end.reason else course.end.reason if course.end.reason in ENDS else OTHER,
        running=tuple([str(one.kind) for one in course.running]),
        waiting=len(course.waiting),
        recorded_reason=str(recorded_reason(course.recorded_reason) or OTHER) if course.is_seen else "",
        recorded_version=str(version) if version else "",
    )
