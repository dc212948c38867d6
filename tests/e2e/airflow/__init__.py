"""A real Airflow in the mesh: its KubernetesExecutor with one slot, its KubernetesPodOperator, the jobs of its chart.

The DAGs are in `dags`. The fixture `airflow` starts it once; `airflow.api.run` starts a DAG run and waits for its end.
"""
