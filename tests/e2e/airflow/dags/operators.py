"""The KubernetesPodOperator with and without XCom, with a sidecar of its users' own, and without a command beside one."""

from __future__ import annotations

import json

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG  # type: ignore[import-not-found]

CACHE = {"name": "cache", "quit": {"port": 9091, "path": "/quit", "method": "POST"}}
# It serves until the first request, whatever that is.
SERVE = """printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n' | nc -l -p 9091"""


def with_cache(image: str, **spec: object) -> dict[str, object]:
    """A pod template with a sidecar that nobody but its user knows, and further members of its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"airflow-sidecar-webhook/sidecars": json.dumps([CACHE])}},
        "spec": {"containers": [{"name": "base"}, {"name": "cache", "image": image, "command": ["/bin/sh", "-c", SERVE]}], **spec},
    }


IMAGE = "{{ dag_run.conf.image }}"
SHELL = ["/bin/sh", "-c"]
SCRIPT = "{{ dag_run.conf.script }}"
PLAIN: dict[str, object] = {"cmds": SHELL, "arguments": [SCRIPT]}
CACHED: dict[str, object] = {**PLAIN, "pod_template_dict": with_cache(IMAGE)}
# The pod stays Pending until its gate is removed.
GATED = with_cache(IMAGE, schedulingGates=[{"name": "tests/events-shown"}])
OPERATORS: dict[str, dict[str, object]] = {
    "plain": PLAIN,
    "plain_xcom": {**PLAIN, "do_xcom_push": True},
    "cache": CACHED,
    "cache_xcom": {**CACHED, "do_xcom_push": True},
    "no_command": {"arguments": [*SHELL, SCRIPT], "pod_template_dict": GATED},
}

for name, options in OPERATORS.items():
    with DAG(name, schedule=None):
        KubernetesPodOperator(
            task_id="task",
            namespace="{{ dag_run.conf.namespace }}",
            image=IMAGE,
            startup_check_interval_seconds=1,
            # Longer than a gate stays on a busy machine.
            startup_timeout_seconds=600,
            on_finish_action="keep_pod",
            log_events_on_failure=True,
            skip_on_exit_code=99,
            executor="LocalExecutor",
            **options,
        )
