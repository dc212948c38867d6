"""The whole story of one review: read the pod, decide, write the operations, prove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from webhook.core.decision import Decision, Mutate, Skip, decide, skip_unread
from webhook.core.errors import MalformedPodError
from webhook.core.facts import read_facts
from webhook.core.operations import operations_for
from webhook.core.patch import Operation, prove
from webhook.core.pod_options import InvalidAnnotation
from webhook.core.reasons import SENTENCES, Reason, SkipReason
from webhook.core.status import KEEPS_RUNNING, TREATMENTS, Treatment, ends_of

if TYPE_CHECKING:
    from webhook.core.cluster import Cluster
    from webhook.core.facts import Facts
    from webhook.core.pod import Pod
    from webhook.core.policy import Policy
    from webhook.core.review import ReviewRequest


class Outcome(msgspec.Struct, frozen=True):
    """What came of one review; logs, metrics and the answer are made from it.

    Args:
        decision: What was decided.
        operations: The patch; empty where the pod is as it should be.
        invalid_annotations: Annotations of the user's that mean nothing.
        warnings: Lines for whoever creates the pod.

    """

    decision: Decision
    operations: tuple[Operation, ...] = ()
    invalid_annotations: tuple[InvalidAnnotation, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def reason(self) -> SkipReason | Reason:
        """Why."""
        return self.decision.reason

    @property
    def result(self) -> str:
        """What happened, in one word: ``skipped``, a treatment, or ``unchanged`` for a pod that was treated before."""
        match self.decision:
            case Skip():
                return "skipped"
            case Mutate(reason=reason):
                return TREATMENTS[reason] if self.operations else "unchanged"
            case _:
                assert_never(self.decision)


def admit(request: ReviewRequest, policy: Policy, cluster: Cluster) -> Outcome:
    """Answer one review, for a cluster that can do this.

    Raises:
        UnsoundPatchError: The patch was not sound. It is our fault, and nothing must be sent but "allowed".

    """
    reason = _not_our_concern(request)
    if reason is not None:
        return Outcome(Skip(reason))
    if request.pod is None:
        return Outcome(Skip(SkipReason.MALFORMED_POD), warnings=(f"the pod is left as it is: {request.problem}",))
    try:
        return _treated(request.pod, policy, cluster)
    except MalformedPodError as problem:
        return Outcome(Skip(SkipReason.MALFORMED_POD), warnings=(f"the pod is left as it is: {problem}",))


def _treated(pod: Pod, policy: Policy, cluster: Cluster) -> Outcome:
    skip = skip_unread(pod)
    if skip is not None:
        return Outcome(Skip(skip))
    facts = read_facts(pod, policy.catalogue)
    decision = decide(facts, policy, cluster)
    match decision:
        case Skip():
            return Outcome(decision, (), facts.invalid_annotations, tuple(bad.warning for bad in facts.invalid_annotations))
        case Mutate():
            return _mutated(facts, decision, policy)
        case _:
            assert_never(decision)


def _not_our_concern(request: ReviewRequest) -> SkipReason | None:
    """The handler checks again what the webhook's configuration has narrowed: old API servers ignore matchConditions."""
    if request.kind.group or request.kind.kind != "Pod":
        return SkipReason.NOT_A_POD
    if request.operation != "CREATE":
        return SkipReason.NOT_A_CREATE
    return SkipReason.SUBRESOURCE if request.subresource else None


def _mutated(facts: Facts, mutate: Mutate, policy: Policy) -> Outcome:
    operations = operations_for(facts, mutate, policy)
    if operations:
        prove(facts.pod, operations)
    warnings = [bad.warning for bad in facts.invalid_annotations]
    if TREATMENTS[mutate.reason] is Treatment.LEFT:
        warnings.append(f"airflow-sidecar-webhook: {mutate.reason}: {SENTENCES[mutate.reason]}")
    if mutate.reason is Reason.SOME_KEEP_RUNNING:
        running = [name for name, end in ends_of(mutate.conversion.after_conversion(facts), mutate).items() if end == KEEPS_RUNNING]
        warnings.append(f"airflow-sidecar-webhook: {', '.join(running)} cannot be asked to quit, so the pod may stay Running")
    return Outcome(mutate, operations, facts.invalid_annotations, tuple(warnings))
