"""Removes what a killed run leaves behind: a folder, empty cgroups, for a moment a link."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testbed import cache
from testbed.wait import until

CGROUPS: Final = Path("/sys/fs/cgroup")
END_SECONDS: Final = 120
"""Longer than the kernel of a busy machine takes to end a network namespace."""

MACHINE: Final = "machine"
"""A file in a slot's folder: a machine was started in it. Without it, link and cgroups of that number are another user's, and stay."""


def cgroup(number: int) -> str:
    """The cgroup, in every hierarchy, that holds the pods of the machine in this slot."""
    return f"airflow-sidecar-webhook-{number}"


def link(number: int) -> Path:
    """The host's end of the link to the machine in this slot; it exists as long as the machine."""
    return Path(f"/sys/class/net/machine{number}")


def clear(folder: Path) -> None:
    """Remove what the run in a slot's folder left, once the kernel has ended it. TimeoutError: it cannot be removed."""
    if not folder.exists():
        return
    number = int(folder.name)
    if (folder / MACHINE).exists():
        until(lambda: not link(number).exists(), f"the link of machine {number} is gone", END_SECONDS)
        until(lambda: _without_cgroups(number), f"the cgroups of machine {number} are empty", END_SECONDS)
    until(lambda: _without(folder), f"{folder} is removed", END_SECONDS)


def _without_cgroups(number: int) -> bool:
    tops = [path for path in (*CGROUPS.glob(f"*/{cgroup(number)}"), CGROUPS / cgroup(number)) if path.is_dir()]
    try:
        for top in tops:
            for path in sorted((path for path in (top, *top.rglob("*")) if path.is_dir()), reverse=True):
                path.rmdir()
    except OSError:
        return False
    return True


def _without(folder: Path) -> bool:
    try:
        cache.remove(folder)
    except OSError:
        return False
    return True
