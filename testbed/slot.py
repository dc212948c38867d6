"""A place on this machine for one run: a folder, a number for names and addresses, and a lock that tells whether the run still lives.

The kernel drops the lock with the process that took it, however that ends; no child inherits it. So a run that was killed leaves a
folder without a holder, and the next run that takes its place clears it away.
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
"""So many runs may be up at once on one machine."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that is held.

    Args:
        number: From 0.
        lock: The file descriptor that holds it.

    """

    number: int
    lock: int

    @property
    def folder(self) -> Path:
        """What the run writes; gone when the place is free again."""
        return _folder(self.number)

    @property
    def logs(self) -> Path:
        """One file for each component; they stay until the next run in this place, for whoever looks later."""
        return cache.folder() / "logs" / str(self.number)

    def release(self) -> None:
        """Clear the folder away and let others have the place. TimeoutError: it does not go, and stays for the next who takes it."""
        try:
            clear(self.folder)
        finally:
            os.close(self.lock)


def take(numbers: Iterable[int] = range(SLOTS)) -> Slot:
    """The first free place of these, cleared of what a killed run left there. RuntimeError: none is free."""
    for number in numbers:
        lock = _try_lock(number)
        if lock is not None and _cleared(number, lock):
            slot = Slot(number, lock)
            cache.remove(slot.logs)
            slot.logs.mkdir(parents=True)
            slot.folder.mkdir(parents=True)
            return slot
    message = f"{SLOTS} clusters are up already, or cannot be cleared away; `make cluster-stop` ends the one that stands"
    raise RuntimeError(message)


def _cleared(number: int, lock: int) -> bool:
    try:
        clear(_folder(number))
    except TimeoutError:
        os.close(lock)
        return False
    return True


def held(number: int) -> bool:
    """Whether a run lives in this place."""
    lock = _try_lock(number)
    if lock is None:
        return True
    os.close(lock)
    return False


def folders() -> list[Path]:
    """Those of all places, whether they are there or not."""
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
