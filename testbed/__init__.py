"""A real Kubernetes, Istio and Airflow on one machine, from package registries alone, for tests and to try things on."""
