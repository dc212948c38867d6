"""The process's memory: objects of the start are excluded from garbage collection, and freed bodies go back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Numbers of glibc's malloc.h."""

LARGE_BYTES: Final = 32 * 1024
"""From this size on a block is mapped by itself. Parts of bodies are up to 64 KiB."""


ENDED_CONNECTIONS: Final = 64
"""After so many the heap is trimmed. Each has left some 100 KiB."""

TRIM_SECONDS: Final = 0.25
"""From then until it is trimmed, which takes some milliseconds: what connections that end together leave is trimmed at once."""


class HeapTrim:
    """Returns pages of the heap that are free to the system, after many connections have ended.

    uvloop allocates 256 KiB for each TLS connection and uses a small part. glibc takes them from the heap where it has so much free memory
    without a gap, and that memory is resident. So the same number of connections would take more with each wave of them.
    """

    def __init__(self) -> None:
        """None has ended."""
        self._ended = 0
        self._malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def connection_ended(self) -> None:
        """A connection has ended; call it in the event loop."""
        self._ended += 1
        if self._ended == ENDED_CONNECTIONS:
            asyncio.get_running_loop().call_later(TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        self._ended = 0
        if self._malloc_trim is not None:
            self._malloc_trim(0)


def freeze_heap() -> None:
    """Exclude the objects made at start-up from garbage collection: traversing them again and again doubles the slowest responses."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def return_freed_memory() -> None:
    """Have glibc map large blocks one by one, so that a freed one goes back to the system at once.

    By default glibc raises this size with the first large block that is freed, up to 32 MiB (mallopt(3)). Later ones come from a heap,
    whose gaps between small objects cannot be returned: under attack they add up to more than the bodies in use. Other libraries for C
    have no such function, and nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, 4 * LARGE_BYTES)
        mallopt(M_ARENA_MAX, 1)
