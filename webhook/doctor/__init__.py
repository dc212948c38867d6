"""What is wrong with a cluster for Airflow's task pods, and how to fix it, read with an admin's own credentials.

`collector` reads the cluster once, with two dry runs (`dry_run`), into a `snapshot`. `checks` turns the snapshot into findings and does no
I/O. `finding` is the table of all findings: a new one is a row there, and a check that returns it.
"""
