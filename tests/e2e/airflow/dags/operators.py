"""The KubernetesPodOperator with and without XCom, and with a sidecar of its users' own."""

from __future__ import annotations

import json

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]

CACHE = {"name": "cache", "quit": {"port": 9091, "path": "/quit", "method": "POST"}}
# It serves until the first request, whatever that is.
SERVE = """printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n' | nc -l -p 9091"""


def with_cache(image: str) -> dict[str, object]:
    """A pod template with a sidecar that nobody but its user knows."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"airflow-sidecar-webhook/sidecars": json.dumps([CACHE])}},
        "spec": {"containers": [{"name": "base"}, {"name": "cache", "image": image, "command": ["/bin/sh", "-c", SERVE]}]},
    }


IMAGE = "{{ dag_run.conf.image }}"
TEMPLATES = {"plain": None, "cache": with_cache(IMAGE)}

for name, template in TEMPLATES.items():
    for xcom in (False, True):
        with DAG(f"{name}_xcom" if xcom else name, schedule=None):
            KubernetesPodOperator(
                task_id="task",
                namespace="{{ dag_run.conf.namespace }}",
                image=IMAGE,
                cmds=["/bin/sh", "-c"],
                arguments=["{{ dag_run.conf.script }}"],
                pod_template_dict=template,
                do_xcom_push=xcom,
                on_finish_action="keep_pod",
                log_events_on_failure=True,
                skip_on_exit_code=99,
                executor="LocalExecutor",
            )
