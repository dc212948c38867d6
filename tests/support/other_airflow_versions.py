"""What the pods of the KubernetesExecutor have in versions of Airflow from which none was captured, written from their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

OTHER_VERSIONS: Final[dict[str, JSONObject]] = {
    "2.2: no run_id label, a uuid after a dot, 96 characters": {
        "name": "dddddddddddddddddddddddddddddddtttttttttttttttttttttttttttttttt." + "0123456789abcdef" * 2,
        "labels": {"dag_id": "d", "task_id": "t", "execution_date": "2021-11-29T00_00_00_plus_00_00", "kubernetes_executor": "True",
                   "airflow_version": "2.2.5", "try_number": "1", "airflow-worker": "7"},
        "args": ["airflow", "tasks", "run", "d", "t", "scheduled__2021-11-29", "--local", "--subdir", "DAGS_FOLDER/d.py"],
    },
    "2.4: map_index": {
        "name": "d-t-" + "0123456789abcdef" * 2,
        "labels": {"dag_id": "d", "task_id": "t", "kubernetes_executor": "True", "airflow_version": "2.4.3", "map_index": "7"},
        "args": ["airflow", "tasks", "run", "d", "t", "manual__2022", "--local", "--subdir", "DAGS_FOLDER/d.py", "--map-index", "7"],
    },
    "2.6: 80 characters": {
        "name": "a" * 71 + "-abcd1234",
        "labels": {"dag_id": "d", "task_id": "t", "kubernetes_executor": "True", "airflow_version": "2.6.3"},
        "args": ["airflow", "tasks", "run", "d", "t", "r", "--local", "--subdir", "DAGS_FOLDER/d.py"],
    },
    "3.0: json string": {
        "name": "d-t-abcd1234",
        "labels": {"dag_id": "d", "task_id": "t", "kubernetes_executor": "True", "airflow_version": "3.0.6"},
        "args": ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", '{"token":"x"}'],
    },
    "3.4: ti_id": {
        "name": "d-t-abcd1234",
        "labels": {"dag_id": "d", "task_id": "t", "kubernetes_executor": "True", "ti_id": "0190b5a2", "airflow_version": "3.4.0"},
        "args": ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", '{"token":"x"}'],
    },
}  # fmt: skip
"""The name, the labels and the arguments, by version and what is special about it."""
