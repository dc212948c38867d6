"""Tasks whose container is killed, as the kernel does when memory runs out."""

from __future__ import annotations

import os
import signal

from airflow.providers.standard.operators.python import PythonOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]
from kubernetes.client import V1ObjectMeta, V1Pod

ALONE = V1Pod(metadata=V1ObjectMeta(labels={"sidecar.istio.io/inject": "false"}))


def kill() -> None:
    """Kill the task's supervisor, which is the container's main process, before it can report the task's state."""
    os.kill(os.getppid(), signal.SIGKILL)


with DAG("killed", schedule=None):
    PythonOperator(task_id="beside_a_proxy", python_callable=kill)
    PythonOperator(task_id="alone", python_callable=kill, executor_config={"pod_override": ALONE})
