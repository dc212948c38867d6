"""What a machine needs to run a node. `python3 -m testbed.prerequisites` prints the Debian packages that are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

CNI_PLUGINS: Final = "/usr/lib/cni"
PACKAGE_OF: Final = {
    f"{CNI_PLUGINS}/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "busybox": "busybox-static",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "runc": "runc",
}
"""The Debian package of each needed program or file."""

NAMESPACES: Final = ("unshare", "--mount", "--net", "--pid", "--fork", "true")


def missing_packages() -> list[str]:
    """The packages to install."""
    return sorted({package for needed, package in PACKAGE_OF.items() if not _is_there(needed)})


def missing() -> str:
    """Why no node can run here, and the remedy; empty where one can."""
    if os.geteuid():
        return "a node needs root: run it with sudo"
    packages = missing_packages()
    if packages:
        return f"a node needs Debian's packages {', '.join(packages)}: apt-get install {' '.join(packages)}"
    if subprocess.run(NAMESPACES, check=False, capture_output=True).returncode:
        return "a node needs namespaces of its own, which are not allowed here: run this container with --privileged"
    return ""


def _is_there(needed: str) -> bool:
    return Path(needed).exists() if needed.startswith("/") else shutil.which(needed) is not None


if __name__ == "__main__":
    print(*missing_packages())
