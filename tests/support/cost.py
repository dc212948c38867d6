"""The cost of a call, counted in instructions of Python's virtual machine: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class TooCostlyError(Exception):
    """The call was ended, since it had taken all the instructions that it may take."""


class Meter:
    """Counts instructions; what loops inside of a function written in C is one instruction."""

    def __init__(self, most: int) -> None:
        """Count up to ``most``."""
        self.most: Final = most
        self.instructions = 0

    def run(self, call: Callable[[], object]) -> int:
        """Call it, and return the instructions that it took.

        Raises:
            TooCostlyError: It would take more than ``most``.

        """
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            call()
        finally:
            sys.settrace(before)
        return self.instructions

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Callable[[FrameType, str, Any], Any]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._count

    def _count(self, _frame: FrameType, _event: str, _argument: Any) -> Callable[[FrameType, str, Any], Any]:
        self.instructions += 1
        if self.instructions > self.most:
            message = f"more than {self.most} instructions"
            raise TooCostlyError(message)
        return self._count
