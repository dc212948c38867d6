"""What must come of each real pod: as Airflow sends it, and after Istio has injected its sidecar as a regular container.

``wrapped`` is followed by where the words before the args come from. A pod that is not named here is like its whole group.
"""

from __future__ import annotations

from typing import Final

LABELLED: Final = "labelled no-sidecar"
NOT_IN_MESH: Final = ("skipped not-in-mesh", "skipped not-in-mesh")
NOT_AIRFLOW: Final = ("skipped not-airflow", "skipped not-airflow")
BY_TABLE: Final = (LABELLED, "wrapped table")
BY_COMMAND: Final = (LABELLED, "wrapped command")
# A foreign image and no command: nobody knows what it runs, and nobody guesses.
UNKNOWN: Final = (LABELLED, "left entrypoint-unknown")

TASK_PODS: Final = {
    "ke_62_ids": BY_TABLE,
    "ke_astronomer_template": BY_COMMAND,
    "ke_chart_template": BY_TABLE,
    "ke_default": BY_TABLE,
    # worker-kerberos has no way to quit; Istio's proxy has, and gets it.
    "ke_kerberos_sidecar_template": ("left no-quit", "wrapped table"),
    "ke_long_ids": BY_TABLE,
    "ke_mapped_special_run_id": BY_TABLE,
    "ke_minimal_template": BY_TABLE,
    # git-sync as a regular container.
    "ke_multi_container_template": ("left no-quit", "wrapped table"),
    # An image of the user's own, which may have an entrypoint of its own.
    "ke_pod_override": UNKNOWN,
    "ke_pod_override_command": BY_COMMAND,
    "ke_special_run_id": BY_TABLE,
    "ke_template_with_command": BY_COMMAND,
    "kjo_job": BY_COMMAND,
    "kpo_app_label": BY_COMMAND,
    "kpo_args_only": UNKNOWN,
    "kpo_base_container_name": BY_COMMAND,
    "kpo_cmds_args": BY_COMMAND,
    "kpo_full_pod_spec": BY_COMMAND,
    "kpo_grace_deadline": BY_COMMAND,
    "kpo_hostnetwork": NOT_IN_MESH,
    "kpo_inject_false": NOT_IN_MESH,
    "kpo_init_env_volumes": BY_COMMAND,
    "kpo_long_ids": BY_COMMAND,
    "kpo_long_ids_named": BY_COMMAND,
    "kpo_long_name_no_suffix": BY_COMMAND,
    "kpo_mapped": BY_COMMAND,
    "kpo_neither": UNKNOWN,
    "kpo_nonroot_readonly": BY_COMMAND,
    "kpo_special_args": BY_COMMAND,
    "kpo_task_decorator": BY_COMMAND,
    # A Cloud SQL proxy from the template, and a program of which nobody knows whether its image has a shell.
    "kpo_template_multi": ("left shell-unknown", "left shell-unknown"),
    "kpo_xcom": BY_COMMAND,
    "kpo_xcom_neither": UNKNOWN,
}
"""By file name, in every version of Airflow."""

CHART_JOBS: Final = {"cleanup": BY_TABLE, "create-user": BY_TABLE, "run-airflow-migrations": BY_TABLE, "database-cleanup": BY_COMMAND}
"""By the end of the file name. The database clean-up sets its own command; the others rely on the image's entrypoint."""


def expected(path: str) -> tuple[str, str]:
    """(as created, with Istio's sidecar) for a path below ``tests/fixtures/airflow-pods``."""
    name = path.rpartition("/")[2].removesuffix(".json")
    if name in TASK_PODS:
        return TASK_PODS[name]
    if "istio-workarounds" in path and name != "pod-placeholder-name":
        return NOT_IN_MESH
    if name.startswith(("pod-of-", "job-", "cronjob-")):
        job = name.partition("-prod-")[2]
        return CHART_JOBS[job]
    # Deployments and StatefulSets, Celery's workers among them: long-running, none of our business.
    return NOT_AIRFLOW
