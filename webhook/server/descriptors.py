"""How many connections the process may open: each takes a file descriptor."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

RESERVED: Final = 40
"""Descriptors for everything else: 16 without a cluster, some for the Kubernetes client, and for connections that are being closed."""


def descriptors_for_connections(wanted: int) -> int:
    """Raise the process's soft limit as far as wanted and allowed; return how many connections fit into it, at least 8."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        # A sandbox may forbid it; then the soft limit stays as it was.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(8, min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED))
