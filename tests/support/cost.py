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

    def run(self, call: Callable[[], object]) -> int:
        """Call it, and return the instructions that it took.

        Raises:
            TooCostlyError: It would take more than ``most``.

        """
        # Variables of this function: attributes would take twice as long, for each instruction.
        most, instructions = self.most, 0

        def enter(frame: FrameType, _event: str, _argument: Any) -> Callable[[FrameType, str, Any], Any]:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            return count

        def count(_frame: FrameType, _event: str, _argument: Any) -> Callable[[FrameType, str, Any], Any]:
            nonlocal instructions
            instructions += 1
            if instructions > most:
                message = f"more than {most} instructions"
                raise TooCostlyError(message)
            return count

        before = sys.gettrace()
        sys.settrace(enter)
        try:
            call()
        finally:
            sys.settrace(before)
        return instructions
