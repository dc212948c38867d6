"""Names that other people's pods, scripts and dashboards rely on. A change breaks pods that run; a test pins them."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "airflow-sidecar-webhook"
"""Prefix of every annotation, and the ``$0`` of a wrapped command: the mark of a pod that was changed before."""

OPT_IN: Final = f"{PREFIX}=enabled"
"""The label by which a namespace opts in, as a selector."""

STATUS_ANNOTATION: Final = f"{PREFIX}/status"
"""The annotation that the webhook writes: what was done to the pod, and why, as a small JSON document."""

TREATMENT_LABEL: Final = f"{PREFIX}/treatment"
"""The label that the webhook sets: what was done to the pod, in one word, for selectors."""

MODE_ANNOTATION: Final = f"{PREFIX}/mode"
MAIN_CONTAINER_ANNOTATION: Final = f"{PREFIX}/main-container"
ENTRYPOINT_ANNOTATION: Final = f"{PREFIX}/entrypoint"
SHELL_ANNOTATION: Final = f"{PREFIX}/shell"
SIDECARS_ANNOTATION: Final = f"{PREFIX}/sidecars"
OUTLIVES_TASK_ANNOTATION: Final = f"{PREFIX}/outlives-task"
WAIT_SECONDS_ANNOTATION: Final = f"{PREFIX}/wait-seconds"
WHEN_NOT_READY_ANNOTATION: Final = f"{PREFIX}/when-not-ready"
"""Annotations that a user sets; ``webhook.core.pod_options`` says what each may hold."""

HELPER_CONTAINER: Final = f"{PREFIX}-helper"
HELPER_VOLUME: Final = PREFIX
HELPER_MOUNT_PATH: Final = f"/{PREFIX}"
HELPER_BUSYBOX: Final = f"{HELPER_MOUNT_PATH}/busybox"
"""What brings a shell into an image that has none."""

CANONICAL_NAME: Final = "service.istio.io/canonical-name"
NAME_LABELS: Final = (CANONICAL_NAME, "app.kubernetes.io/name", "app")
"""The labels Istio takes a workload's name from, first one first (istio files/injection-template.yaml)."""

BASE_CONTAINER: Final = "base"
"""What Airflow calls the task's container (KubernetesPodOperator.BASE_CONTAINER_NAME, and the executor always)."""

EXECUTOR_LABEL: Final = "kubernetes_executor"
OPERATOR_LABEL: Final = "kubernetes_pod_operator"
SPARK_LABEL: Final = "spark_kubernetes_operator"
"""Labels that Airflow sets to "True": the executor since Airflow 2.0, the operators since their first release."""

SPARK_ROLE_LABEL: Final = "spark-role"
SPARK_ROLES: Final = ("driver", "executor")
"""Spark's own label of its pods, and its values (apache/spark resource-managers/kubernetes, constants.scala: SPARK_ROLE_LABEL)."""

XCOM_CONTAINER: Final = "airflow-xcom-sidecar"
"""Airflow reads the result of a task from this container after the task ended: it is never touched."""
