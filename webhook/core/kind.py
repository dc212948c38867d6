"""Which of Airflow's pods a pod is, told by the labels that Airflow sets itself."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.core.pod import Pod


class PodKind(StrEnum):
    """Who made the pod."""

    KUBERNETES_EXECUTOR = "kubernetes-executor"
    KUBERNETES_POD_OPERATOR = "kubernetes-pod-operator"
    SPARK = "spark"
    CHART_JOB = "chart-job"


KIND_LABELS: Final = MappingProxyType(
    {
        "kubernetes_executor": PodKind.KUBERNETES_EXECUTOR,
        "kubernetes_pod_operator": PodKind.KUBERNETES_POD_OPERATOR,
        "spark_kubernetes_operator": PodKind.SPARK,
    }
)
"""Labels whose value "True" tells the kind: the executor's since Airflow 2.0, the operators' since their provider's first releases."""

CHART_JOB_COMPONENTS: Final = frozenset({"run-airflow-migrations", "create-user-job", "airflow-cleanup-pods", "database-cleanup"})
"""``component`` of the short-lived pods of the official chart, beside ``tier: airflow``. "worker" is no sign: Celery's carry it too."""

RUNS_AIRFLOW_IMAGE: Final = frozenset({PodKind.KUBERNETES_EXECUTOR, PodKind.CHART_JOB})
"""Kinds whose main container always runs an image of Airflow's, with a shell and its entrypoint inside."""


def pod_kind(pod: Pod) -> PodKind | None:
    """The kind, or None for a pod that is not Airflow's or is a long-running component of it."""
    labels = pod.labels
    for label, kind in KIND_LABELS.items():
        if labels.get(label) == "True":
            return kind
    if labels.get("tier") == "airflow" and labels.get("component") in CHART_JOB_COMPONENTS:
        return PodKind.CHART_JOB
    return None
