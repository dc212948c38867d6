"""A mutating admission webhook that lets Airflow's task pods end beside injected sidecars."""

from __future__ import annotations

__version__ = "0.1.0"
