"""A stand-in for the package apache-airflow: it has the two command lines that come into pods, and runs no DAG."""
