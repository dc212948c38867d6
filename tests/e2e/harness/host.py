"""The state of the host that a node could change."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.machine import KERNEL_SETTINGS, run


def host() -> dict[str, object]:
    """Mounts, links, rules, routes, kernel settings and the test bed's cgroups, to compare before and after."""
    settings = {name: Path(f"/proc/sys/{name}").read_text() for name in ("net/ipv4/ip_forward", *KERNEL_SETTINGS)}
    # Without comments, which hold the time, and without packet counters.
    rules = [re.sub(r"\[.*?\]", "", line) for line in run("iptables-save").splitlines() if not line.startswith("#")]
    return {
        "mounts": Path("/proc/self/mounts").read_text(),
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "rules": rules,
        "routes": run("ip", "route"),
        "cgroups": sorted(map(str, Path("/sys/fs/cgroup").glob("*/airflow-sidecar-webhook-*"))),
        **settings,
    }
