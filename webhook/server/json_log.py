"""Log lines as JSON, one an event, on stdout. A traceback shows where, never with what values: an error's text may quote a pod."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

from webhook.core.errors import WebhookError


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "event", …}``; further members come from ``extra={"fields": {…}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = frames_of(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def frames_of(error: BaseException) -> list[str]:
    """The error's type, our own errors' text, and the places it went through."""
    text = f": {error}" if isinstance(error, WebhookError) else ""
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return [f"{type(error).__name__}{text}", *places]


def log_to_stdout(level: str) -> None:
    """Send all loggers there; the third parties' at warning, since they speak of connections, not of reviews."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Finding the caller of each line costs as much as writing it, and no field of ours shows it.
    logging._srcfile = None  # noqa: SLF001 - the documented way, docs.python.org/3/howto/logging.html#optimization
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
