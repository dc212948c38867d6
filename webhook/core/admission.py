"""The whole story of one pod: read it, decide, write the operations, prove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import jsonpatch
import msgspec

from webhook.core.decision import Decision, Mutate, Skip, decide, skip_unread
from webhook.core.earlier_status import NO_STATUS, EarlierStatus
from webhook.core.errors import AnnotationsFullError, MalformedPodError
from webhook.core.facts import read_facts
from webhook.core.operations import operations_for, operations_for_audit
from webhook.core.patch import Operation, prove
from webhook.core.pod import encode_pod, is_too_large, read_pod
from webhook.core.pod_options import ALL_VALID, InvalidAnnotations
from webhook.core.policy import Enforcement
from webhook.core.reasons import Reason, SkipReason
from webhook.core.remedy import Remedy, remedies_of, remedies_of_skip
from webhook.core.status import Status, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from webhook.core.cluster import Cluster
    from webhook.core.facts import Facts
    from webhook.core.pod import Pod
    from webhook.core.policy import Policy
    from webhook.core.review import ReviewRequest


class Outcome(msgspec.Struct, frozen=True):
    """What the rules decided about one pod; logs, metrics and the answer are made from it.

    Args:
        decision: What was decided.
        operations: The JSON patch; empty where the pod is already as it should be.
        status: The status that the pod carries afterwards; None for a pod that is skipped.
        invalid_annotations: Annotations with the webhook's prefix that are ignored.
        warnings: Lines for whoever creates the pod.
        remedies: What to do about the pod, most pressing first.
        before: The status that an earlier review wrote: the API server calls again after a later injector has changed the pod.

    """

    decision: Decision
    operations: tuple[Operation, ...] = ()
    status: Status | None = None
    invalid_annotations: InvalidAnnotations = ALL_VALID
    warnings: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    before: EarlierStatus = NO_STATUS

    @property
    def reason(self) -> SkipReason | Reason:
        """Why."""
        return self.decision.reason

    @property
    def result(self) -> str:
        """What happened, in one word: ``skipped``, a treatment, or ``unchanged`` for a pod that already is as it should be."""
        if self.status is None:
            return "skipped"
        return self.status.treatment if self.operations else "unchanged"

    def patched(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        """The pod as it is afterwards; ``pod`` is the one that was decided about, and stays as it is."""
        after: dict[str, Any] = jsonpatch.JsonPatch(list(self.operations)).apply(pod)
        return after


def admit(request: ReviewRequest, policy: Policy, cluster: Cluster) -> Outcome:
    """Decide about one admission request, for a cluster with these abilities.

    Raises:
        UnsoundPatchError: The patch is not sound. That is a fault of the webhook, and the pod must be allowed unchanged.

    """
    reason = _not_handled(request)
    if reason is not None:
        return Outcome(Skip(reason))
    if request.is_too_large:
        return Outcome(Skip(SkipReason.TOO_LARGE))
    if request.pod is None:
        return _malformed(request.problem)
    return _treated(request.pod, policy, cluster)


def treat(pod: Mapping[str, Any] | bytes, policy: Policy, cluster: Cluster) -> Outcome:
    """Decide about one pod as it is about to be created, given as a mapping or as JSON.

    A pod with a field of a wrong type is skipped, as `admit` does.

    Raises:
        UnsoundPatchError: As in `admit`.

    """
    try:
        data = pod if isinstance(pod, bytes) else encode_pod(pod)
        if is_too_large(data):
            return Outcome(Skip(SkipReason.TOO_LARGE))
        read = read_pod(data)
    except MalformedPodError as problem:
        return _malformed(str(problem))
    return _treated(read, policy, cluster)


def _not_handled(request: ReviewRequest) -> SkipReason | None:
    """The handler checks again what the webhook's configuration has narrowed: old API servers ignore matchConditions."""
    if request.kind.group or request.kind.kind != "Pod":
        return SkipReason.NOT_A_POD
    if request.operation != "CREATE":
        return SkipReason.NOT_A_CREATE
    return SkipReason.SUBRESOURCE if request.subresource else None


def _malformed(problem: str) -> Outcome:
    return Outcome(Skip(SkipReason.MALFORMED_POD), warnings=(f"airflow-sidecar-webhook leaves the pod unchanged: {problem}",))


def _treated(pod: Pod, policy: Policy, cluster: Cluster) -> Outcome:
    try:
        skip = skip_unread(pod)
        if skip is not None:
            return Outcome(Skip(skip), remedies=remedies_of_skip(pod, skip))
        return _decided(read_facts(pod, policy.catalogue), policy, cluster)
    except MalformedPodError as problem:
        return _malformed(str(problem))


def _decided(facts: Facts, policy: Policy, cluster: Cluster) -> Outcome:
    decision = decide(facts, policy, cluster)
    match decision:
        case Skip():
            return _skipped(facts, decision)
        case Mutate():
            return _mutated(facts, decision, policy, cluster)
        case _:
            assert_never(decision)


def _skipped(facts: Facts, skip: Skip) -> Outcome:
    invalid = facts.invalid_annotations
    remedies = remedies_of_skip(facts.pod, skip.reason)
    return Outcome(skip, invalid_annotations=invalid, warnings=tuple(invalid.warnings), remedies=remedies, before=facts.before)


def _mutated(facts: Facts, mutate: Mutate, policy: Policy, cluster: Cluster) -> Outcome:
    status = status_of(facts, mutate)
    operations = operations_for(facts, mutate, status, policy)
    try:
        if operations:
            prove(facts.pod, operations)
        if operations and policy.enforcement is Enforcement.AUDIT:
            status = status.audited()
            operations = operations_for_audit(facts, status)
            prove(facts.pod, operations)
    except AnnotationsFullError:
        return _skipped(facts, Skip(SkipReason.ANNOTATIONS_FULL))
    remedies = remedies_of(facts, mutate, cluster)
    warnings = _warnings(facts, mutate, status, remedies)
    return Outcome(mutate, operations, status, facts.invalid_annotations, warnings, remedies, facts.before)


def _warnings(facts: Facts, mutate: Mutate, status: Status, remedies: tuple[Remedy, ...]) -> tuple[str, ...]:
    of_treatment = tuple(_warnings_of_treatment(mutate, remedies))
    if of_treatment and status.would_be is not None:
        notice = f"airflow-sidecar-webhook: enforcement is audit, so this pod is not changed. Else it would be {status.would_be}, and:"
        of_treatment = (notice, *of_treatment)
    return (*facts.invalid_annotations.warnings, *of_treatment)


def _warnings_of_treatment(mutate: Mutate, remedies: tuple[Remedy, ...]) -> Iterator[str]:
    for name in mutate.conversion.restored:
        yield f"airflow-sidecar-webhook: another webhook removed restartPolicy: Always from {name}; it is native again"
    for blocked in mutate.blocked:
        yield blocked.warning
    for remedy in remedies:
        if remedy.is_pressing:
            yield from remedy.warnings
