"""Airflow in the cluster: its manifests, its installation, and a client of its REST API."""
