"""How far a command has come that takes longer than a second: a line on stderr, where that is a terminal."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from webhook.command.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUIET_SECONDS: Final = 1.0
"""For so long nothing is shown: most commands are done by then."""

REDRAW_SECONDS: Final = 0.2

CLEARED: Final = "\r\x1b[K"
"""To the start of the line, and clear it (ECMA-48, EL)."""


@contextmanager
def progress_line(now: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """A function that shows how far the work has come; after the block the line is gone.

    It shows nothing where stderr is no terminal, or one that cannot clear a line (``TERM=dumb``). ``now`` is a monotonic clock, in seconds.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    due = now() + QUIET_SECONDS
    is_shown = False

    def show(text: str) -> None:
        nonlocal due, is_shown
        if now() >= due:
            sys.stderr.write(f"{CLEARED}{printable(text)}")
            sys.stderr.flush()
            due, is_shown = now() + REDRAW_SECONDS, True

    try:
        yield show
    finally:
        if is_shown:
            sys.stderr.write(CLEARED)
            sys.stderr.flush()
