"""The DAGs of these tests: Airflow reads each file by itself."""
