"""Benchmarks: how fast the webhook answers, beside peers that do the same."""

from __future__ import annotations
