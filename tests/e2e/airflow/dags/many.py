"""Tasks that could all run at once."""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]

with DAG("many", schedule=None):
    for number in range(11):
        BashOperator(task_id=f"task{number}", bash_command="true")
