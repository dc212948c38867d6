"""Explains pods: of files by an assumed cluster, of a cluster as at their admission."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from webhook.command.assumed_cluster import cluster_of
from webhook.command.explanation import UNLABELLED, Explanation
from webhook.command.pod_file import DEFAULT_NAMESPACE, full_name
from webhook.core import (
    ORIGIN_LABELS,
    UNKNOWN_CLUSTER,
    Cluster,
    NativeSupport,
    Outcome,
    PodOrigin,
    cluster_at_admission,
    treat,
)

if TYPE_CHECKING:
    from webhook.command.pod_file import FoundPod
    from webhook.core import Policy
    from webhook.course.pod_course import PodCourse
    from webhook.doctor.called_namespaces import CalledNamespaces


@dataclass(frozen=True, slots=True)
class Explainer:
    """What pods are explained by.

    Args:
        policy: The webhook's.
        cluster: The assumed one, or the one from which pods are read.
        namespace: Shown where a pod names none.
        context: Of the kubeconfig, for the lines of kubectl; None: the current one.
        now: The time.
        called: In which namespaces of the cluster the webhook is called; None: nothing is known of that.

    """

    policy: Policy
    cluster: Cluster = UNKNOWN_CLUSTER
    namespace: str = DEFAULT_NAMESPACE
    context: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    called: CalledNamespaces | None = None

    def of_file(self, found: FoundPod) -> Explanation:
        """As `of_pod` does, with the file's name."""
        return replace(self.of_pod(found.pod), place=found.place, template_of=found.template_of)

    def of_pod(self, pod: dict[str, Any]) -> Explanation:
        """Apply the webhook's rules to a pod on the assumed cluster; where nothing is known of it, as at the pod's admission."""
        cluster = cluster_of(pod, self.cluster, self.policy.catalogue)
        return self._at_admission(pod, cluster) if cluster.support is NativeSupport.UNKNOWN else self._explain(pod, cluster, "")

    def of_cluster(self, pod: dict[str, Any]) -> Explanation:
        """Apply the rules to a pod that lives as at its admission, as far as its status says; else on this cluster."""
        return self._where_called(self._at_admission(pod, self.cluster))

    def _where_called(self, one: Explanation) -> Explanation:
        """With the reason why the webhook is not called in the namespace of a pod that it has not seen."""
        if self.called is None or one.course is None or one.course.is_seen:
            return one
        why_not = self.called.why_not(one.full_name.partition("/")[0])
        return one if why_not is None else replace(one, course=one.course.not_treated_because(why_not.id, why_not.sentence, why_not.remedy))

    def _at_admission(self, pod: dict[str, Any], cluster: Cluster) -> Explanation:
        recorded = cluster_at_admission(pod)
        about = _use_at_admission(recorded) if recorded else "" if cluster.support is NativeSupport.UNKNOWN else _use(cluster)
        return self._explain(pod, recorded or cluster, about)

    def _explain(self, pod: dict[str, Any], cluster: Cluster, about: str) -> Explanation:
        name = full_name(pod, self.namespace)
        outcome = treat(pod, self.policy, cluster)
        return Explanation(pod, outcome, self.policy.script, name, cluster, self.now, about, self._course(pod, outcome))

    def _course(self, pod: dict[str, Any], outcome: Outcome) -> PodCourse | None:
        if not isinstance(pod.get("status"), dict) or "phase" not in pod["status"]:
            return None
        # A pod that is about to be created needs neither the doctor nor the reaper.
        from webhook.course.course_reader import read_course  # noqa: PLC0415
        from webhook.course.kubectl import Kubectl  # noqa: PLC0415

        namespace, _, name = full_name(pod, self.namespace).partition("/")
        labelled = _with_label(pod, UNLABELLED[outcome.reason]) if outcome.reason in UNLABELLED and outcome.remedies else pod
        course = read_course(labelled, self.policy.catalogue, Kubectl(self.context, namespace, name), self.now)
        return course.with_reason(outcome.reason) if course else None


def _with_label(pod: dict[str, Any], origin: PodOrigin) -> dict[str, Any]:
    """The pod as if it had the label that its remedy adds."""
    metadata = pod["metadata"]
    labels = {label: "True" for label, one in ORIGIN_LABELS.items() if one is origin}
    return {**pod, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}


def _use(cluster: Cluster) -> str:
    return f"native sidecars are {'used' if cluster.is_native else 'not used'} ({cluster.support})"


def _use_at_admission(cluster: Cluster) -> str:
    """From the status, which does not say why native sidecars were used."""
    return f"native sidecars were {'used' if cluster.is_native else f'not used ({cluster.support})'} at this pod's admission"
