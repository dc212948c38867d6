"""Serves the rules over HTTPS, with health checks, metrics, logs and certificates."""
