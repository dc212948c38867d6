"""Ten tasks that could all run at once, for the one slot there is."""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]

with DAG("ten_tasks", schedule=None):
    for number in range(10):
        BashOperator(task_id=f"task{number}", bash_command="echo done")
