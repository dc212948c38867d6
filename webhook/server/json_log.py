"""JSON log lines on stdout, one for each event, each of a bounded size and none that is waited for.

A traceback shows the code, and no values or messages: they may quote a pod.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import RulesError
from webhook.server.log_output import LogOutput

if TYPE_CHECKING:
    from collections.abc import Callable

LOG: Final = logging.getLogger("webhook")

THIRD_PARTY: Final = {
    **dict.fromkeys(("uvicorn.error", "asyncio"), logging.ERROR),
    **dict.fromkeys(("urllib3", "kubernetes", "leaderelection"), logging.WARNING),
}
"""Loggers of others, each with the least level that is logged."""

MAX_LINE_BYTES: Final = 16 * 1024
"""containerd splits a longer line in two (its setting max_container_log_line_size), and the halves are no JSON."""

MAX_TEXT: Final = 256
"""Characters of a text within a line that would be too long."""

MAX_ITEMS: Final = 8
"""Items of a list within a line that would be too long."""

MAX_FRAMES: Final = 16
"""Of a traceback: the innermost ones, which show what failed. A recursion has a thousand."""


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "event", …}``, with further members from ``extra={"fields": {…}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            fields = fields | {"traceback": frames_of(record.exc_info[1])}
        return json_line(record.created, record.levelname.lower(), record.name, record.getMessage(), fields).decode()


def json_line(at: float, level: str, logger: str, event: str, fields: dict[str, Any]) -> bytes:
    """One line without its newline; ``at`` is a Unix time in seconds. Texts and lists of a line that would be too long are cut."""
    second, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    moment = f"{_second(second)}.{microseconds // 1000:03d}+00:00"
    head = {"time": moment, "level": level, "logger": logger, "event": event}
    line = msgspec.json.encode({**head, **fields})
    if len(line) < MAX_LINE_BYTES:
        return line
    truncated = {"truncated_bytes": len(line)}
    shortened = {**truncated, **{name: _shortened(value) for name, value in {**head, **fields}.items()}}
    line = msgspec.json.encode(shortened)
    return line if len(line) < MAX_LINE_BYTES else msgspec.json.encode({**head, "event": event[:MAX_TEXT], **truncated})


def _shortened(value: Any) -> Any:
    """A text or a list cut to its largest size; every other value as it is."""
    match value:
        case str():
            return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
        case list() | tuple():
            return [_shortened(item) for item in value[:MAX_ITEMS]]
    return value


@lru_cache(maxsize=1)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def frames_of(error: BaseException) -> list[str]:
    """The error's type, its message if it is a `RulesError`, and its innermost stack frames."""
    text = f": {error}" if isinstance(error, RulesError) else ""
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__, -MAX_FRAMES)]
    return [f"{type(error).__name__}{text}", *places]


class JsonLog(logging.Handler):
    """Writes the records of every logger, and the lines of reviews, to one output."""

    def __init__(self, output: LogOutput) -> None:
        """Write to this output."""
        super().__init__()
        self.output = output
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.output.write(self.format(record).encode() + b"\n")

    def flush(self) -> None:
        """Wait for the lines that could not be written at once, for at most a second. `logging` calls it at the end of the process."""
        self.output.flush()

    def write_info(self, logger: str, event: str, fields: dict[str, Any]) -> None:
        """Write the line that `logging` would write, in a fifth of the time. Used for the line of each review."""
        self.output.write(json_line(time.time(), "info", logger, event, fields) + b"\n")


def log_to_stdout(level: str, dropped: Callable[[], None]) -> JsonLog:
    """Send every logger to stdout; third-party ones from warning up, since below it they log connections and whole responses.

    Those of the server only from error up: their warnings are of what a client sends, or of a client that has gone, one or more for each
    request; what is refused has a line of its own.

    ``dropped`` is called once for each line that is lost because nobody reads stdout.
    """
    log = JsonLog(LogOutput(sys.stdout.fileno(), dropped))
    logging.basicConfig(level=level.upper(), handlers=[log], force=True)
    for name, least in THIRD_PARTY.items():
        logging.getLogger(name).setLevel(max(least, logging.getLogger().level))
    return log


def log_uncaught() -> None:
    """Log the errors that nobody catches: of a thread, of a destructor, of a function that C calls.

    Python would write them to stderr, with the values of a pod or of a connection, and wait for its reader.
    """
    sys.unraisablehook = _log_error
    threading.excepthook = _log_error


def _log_error(uncaught: sys.UnraisableHookArgs | threading.ExceptHookArgs) -> None:
    LOG.error("uncaught error", exc_info=uncaught.exc_value)
