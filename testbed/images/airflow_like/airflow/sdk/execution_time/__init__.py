"""Part of the stand-in; see `airflow`."""
