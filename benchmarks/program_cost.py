"""What a program costs from its start to its end."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KIBIBYTES_OF_A_MEBIBYTE: Final = 1024
"""``ru_maxrss`` is in kibibytes (getrusage(2))."""


@dataclass(frozen=True)
class ProgramCost:
    """What one run took.

    Args:
        seconds: From the start of the process to its end.
        processor_seconds: Of the process.
        peak_mebibytes: Its largest resident memory; at least that of the process that started it, which Linux counts until the exec.

    """

    seconds: float
    processor_seconds: float
    peak_mebibytes: float


@dataclass(frozen=True)
class MeasuredRun:
    """A run, its cost and its result."""

    cost: ProgramCost
    exit_code: int
    output: bytes


def run_program(command: Sequence[str], environ: Mapping[str, str]) -> MeasuredRun:
    """Run a program to its end."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        with subprocess.Popen(command, stdout=output, env=dict(environ)) as process:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        cost = ProgramCost(seconds, used.ru_utime + used.ru_stime, peak_mebibytes(used.ru_maxrss))
        return MeasuredRun(cost, process.returncode, output.read())


def peak_mebibytes(kibibytes: int) -> float:
    """The largest resident memory that the kernel reports."""
    return kibibytes / KIBIBYTES_OF_A_MEBIBYTE
