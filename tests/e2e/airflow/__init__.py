"""A real Airflow: what becomes of its tasks, its operators and its chart's jobs in the mesh."""
