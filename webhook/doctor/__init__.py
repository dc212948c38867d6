"""What is wrong with a cluster for Airflow's task pods, and what to do about it, asked with an admin's own credentials."""
