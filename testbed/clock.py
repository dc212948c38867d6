"""The clock of one running component, put ahead: for that process alone, and its connections stay open. For Go programs on x86-64.

Such a program reads the time by code that the kernel maps into each process (vdso(7)); a write to that page gives the process a copy of
its own (proc_pid_mem(5)). The new code calls the kernel and adds the set seconds to CLOCK_REALTIME. CLOCK_MONOTONIC is unchanged, so timers
and deadlines do not fire. A process that is started again has the machine's clock.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

VDSO: Final = "linux-vdso.so.1"
ENTRY: Final = "__vdso_clock_gettime"
ROOM: Final = "__vdso_gettimeofday"
"""A function that Go's runtime does not call."""

OTHERS: Final = (ENTRY, "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres")

CODE: Final = bytes.fromhex(
    "b8 e4000000"  # mov eax, 228: clock_gettime(2), whose arguments are where they came
    "0f 05"  # syscall
    "85 ff"  # test edi, edi: CLOCK_REALTIME is 0
    "75 0a"  # jne to the ret
    "48 8b 0d 06000000"  # mov rcx, [rip + 6]: the seconds, behind this code
    "48 01 0e"  # add [rsi], rcx: timespec.tv_sec
    "c3"  # ret
    "90 90"  # so that the seconds are aligned, and change as a whole
)
JUMP: Final = struct.Struct("<Bi")
SECONDS: Final = struct.Struct("<q")


class Clock:
    """The wall clock of a process; at first the machine's."""

    def __init__(self, pid: int) -> None:
        """Replace the process's code. RuntimeError: not on this architecture. OSError: the process has ended, or is another user's."""
        if platform.machine() != "x86_64":
            message = f"the clock of a process can be set on x86_64, not on {platform.machine()}"
            raise RuntimeError(message)
        base, size = _base(pid), len(CODE) + SECONDS.size
        room, entry = (base + _offset(name) for name in (ROOM, ENTRY))
        assert not any(room < base + _offset(other) < room + size for other in OTHERS), "the function is too short for the new code"
        self._memory = Path(f"/proc/{pid}/mem")
        self._seconds = room + len(CODE)
        self._write(room, CODE + SECONDS.pack(0))
        # The process runs meanwhile. It calls the old function or the new one, unless it is between the first two instructions.
        self._write(entry, JUMP.pack(0xE9, room - entry - JUMP.size))

    def put_ahead(self, by: timedelta) -> None:
        """From now on the process's clock is ahead of the machine's by this much."""
        self._write(self._seconds, SECONDS.pack(round(by.total_seconds())))

    def _write(self, address: int, content: bytes) -> None:
        with self._memory.open("r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(content)


def _base(pid: int | str) -> int:
    """The address of the kernel's code in this process."""
    line = next(line for line in Path(f"/proc/{pid}/maps").read_text("ascii").splitlines() if line.endswith("[vdso]"))
    return int(line.partition("-")[0], 16)


def _offset(name: str) -> int:
    """The offset of a function in that code, which is the same in every process of this machine."""
    address = ctypes.cast(ctypes.CDLL(VDSO)[name], ctypes.c_void_p).value
    assert address is not None
    return address - _base("self")
