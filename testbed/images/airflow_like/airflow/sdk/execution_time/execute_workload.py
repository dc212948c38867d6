"""A stand-in for `python -m airflow.sdk.execution_time.execute_workload`, the KubernetesExecutor's command: does the same as `airflow`."""

import runpy

runpy.run_module("airflow", run_name="__main__")
