"""The machine on which a benchmark runs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

LOAD: Final = os.getloadavg()[0]
"""The load of the last minute when this program began: of the other work on the machine."""


def machine() -> JSONObject:
    """What the figures depend on; ``has_priority``: other work does not count, as with ``chrt -r 1``."""
    packages = ("fastapi", "uvicorn", "uvloop", "httptools", "jsonpatch", "msgspec")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(LOAD, 1),
        "has_priority": os.sched_getscheduler(0) in {os.SCHED_RR, os.SCHED_FIFO},
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def processor() -> str:
    """Return the processor's model, as /proc/cpuinfo names it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = (it.partition(":")[2].strip() for it in lines if it.startswith("model name"))
    return next(models, platform.machine())
