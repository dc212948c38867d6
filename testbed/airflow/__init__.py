"""Airflow in the cluster: its manifests, and what starts it and asks it."""
