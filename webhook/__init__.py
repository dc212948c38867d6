"""A mutating admission webhook that lets Airflow's task pods end beside injected sidecars."""

from __future__ import annotations

__version__ = "0.1.0"
"""The only place with the version: the package, the chart and the image have it from here, or a test compares theirs."""
