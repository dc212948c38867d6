"""A stand-in for `python -m airflow.sdk.execution_time.execute_workload`: reads the same arguments, runs nothing."""

from __future__ import annotations

import argparse
import json

parser = argparse.ArgumentParser()
parser.add_argument("--json-string", required=True, type=json.loads)
task = parser.parse_args().json_string["ti"]
print(f"task {task['dag_id']}.{task['task_id']} has run")
