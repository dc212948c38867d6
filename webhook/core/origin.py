"""What of Airflow's created a pod, identified by the labels that Airflow itself sets."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from webhook.core import names

if TYPE_CHECKING:
    from webhook.core.pod import Pod


class PodOrigin(StrEnum):
    """What of Airflow's created the pod."""

    KUBERNETES_EXECUTOR = "kubernetes-executor"
    KUBERNETES_POD_OPERATOR = "kubernetes-pod-operator"
    SPARK = "spark"
    CHART_JOB = "chart-job"


ORIGIN_LABELS: Final = MappingProxyType(
    {
        names.EXECUTOR_LABEL: PodOrigin.KUBERNETES_EXECUTOR,
        names.OPERATOR_LABEL: PodOrigin.KUBERNETES_POD_OPERATOR,
        names.SPARK_LABEL: PodOrigin.SPARK,
    }
)
"""Labels whose value "True" identifies the origin."""

CHART_JOB_COMPONENTS: Final = frozenset({"run-airflow-migrations", "create-user-job", "airflow-cleanup-pods", "database-cleanup"})
"""``component`` of the short-lived pods of the official chart, beside ``tier: airflow``. "worker" is no sign: Celery's carry it too."""

COMMUNITY_JOB_COMPONENTS: Final = frozenset(
    {"db-migrations", "sync-connections", "sync-dags", "sync-pools", "sync-roles", "sync-users", "sync-variables"}
)
"""``component`` of the short-lived pods of the community chart, beside ``app: airflow`` and ``release`` (airflow-helm/charts,
charts/airflow/templates: db-migrations/db-migrations-job.yaml, sync/sync-*-job.yaml). Its Deployments of these names run for ever."""

OLD_COMMUNITY_JOBS: Final = "jobs"
"""The one ``component`` of all short-lived pods of older community charts, beside ``app: airflow``, ``release`` and a ``chart``
of that name (airflow-helm/charts, charts/airflow/templates/jobs/job-*.yaml). Nothing else in that chart has it."""

COMMUNITY_CHART: Final = "airflow-"
"""How the label ``chart`` of the community chart begins; its version follows (_helpers/common.tpl, airflow.labels.chart)."""

RUNS_AIRFLOW_IMAGE: Final = frozenset({PodOrigin.KUBERNETES_EXECUTOR, PodOrigin.CHART_JOB})
"""Origins whose main container always runs an image of Airflow's, with a shell and its entrypoint inside."""


def pod_origin(pod: Pod) -> PodOrigin | None:
    """The origin, or None for a pod that is not Airflow's or is a long-running component of it."""
    labels = pod.labels
    for label, origin in ORIGIN_LABELS.items():
        if labels.get(label) == "True":
            return origin
    component = labels.get("component")
    if labels.get("tier") == "airflow" and component in CHART_JOB_COMPONENTS:
        return PodOrigin.CHART_JOB
    if labels.get("app") == "airflow" and "release" in labels:
        is_old = component == OLD_COMMUNITY_JOBS and labels.get("chart", "").startswith(COMMUNITY_CHART)
        return PodOrigin.CHART_JOB if is_old or component in COMMUNITY_JOB_COMPONENTS else None
    return None
