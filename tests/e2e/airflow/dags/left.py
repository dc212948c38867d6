"""Two tasks for one slot, the second of which runs until it is killed."""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]

with DAG("left", schedule=None):
    BashOperator(task_id="first", bash_command="true", priority_weight=2)
    BashOperator(task_id="second", bash_command="sleep 600")
