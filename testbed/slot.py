"""A slot for one run on this machine: a folder, a number for names and addresses, and a lock that shows whether the run is alive.

The kernel drops the lock with the process that took it; no child inherits it. So a killed run leaves a folder without a holder, and
the next run that takes the slot removes it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed import cache
from testbed.remains import clear

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SLOTS: Final = 16
"""The number of runs that can be up at once on one machine."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is taken.

    Args:
        number: From 0.
        lock: The file descriptor of its lock.

    """

    number: int
    lock: int

    @property
    def folder(self) -> Path:
        """For the run's files; removed with the release."""
        return _folder(self.number)

    @property
    def logs(self) -> Path:
        """With a file for each component; they stay until the next run in this slot."""
        return cache.folder() / "logs" / str(self.number)

    def release(self) -> None:
        """Remove the folder and free the slot. TimeoutError: it cannot be removed; the next run in this slot tries again."""
        try:
            clear(self.folder)
        finally:
            os.close(self.lock)


def take(numbers: Iterable[int] = range(SLOTS)) -> Slot:
    """The first free slot of these, without what a killed run left there. RuntimeError: none is free."""
    for number in numbers:
        lock = _try_lock(number)
        if lock is not None and _cleared(number, lock):
            slot = Slot(number, lock)
            cache.remove(slot.logs)
            slot.logs.mkdir(parents=True)
            slot.folder.mkdir(parents=True)
            return slot
    message = f"{SLOTS} clusters are up, or could not be removed; `make cluster-stop` ends the one that `make cluster` started"
    raise RuntimeError(message)


def _cleared(number: int, lock: int) -> bool:
    try:
        clear(_folder(number))
    except TimeoutError:
        os.close(lock)
        return False
    return True


def held(number: int) -> bool:
    """Whether a live run has this slot."""
    lock = _try_lock(number)
    if lock is None:
        return True
    os.close(lock)
    return False


def folders() -> list[Path]:
    """The folders of all slots, whether they exist or not."""
    return [_folder(number) for number in range(SLOTS)]


def _try_lock(number: int) -> int | None:
    path = _folder(number).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _folder(number: int) -> Path:
    return cache.folder() / "runs" / str(number)
