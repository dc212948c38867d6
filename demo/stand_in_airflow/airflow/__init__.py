"""A stand-in for the package apache-airflow: just enough for the command line that the KubernetesExecutor puts into a pod.

It cannot show Airflow: no task is run, no state is reported.
"""
