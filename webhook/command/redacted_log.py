"""Log lines for a bug report. Of a line of the service or of the reaper only what these tables list is taken, and of that no free text."""

from __future__ import annotations

import builtins
import json
import re
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import webhook
from webhook.core import Reason, SkipReason, Treatment
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

OTHER: Final = "other"

EVENTS: Final = frozenset(
    {
        *("starting", "listening", "draining", "stopping", "stopped", "few descriptors", "uncaught error"),
        *("review", "refused", "fault"),
        *("certificate reload", "certificate authority changed", "certificate authority cannot be renewed"),
        *("certificates reconciled again", "cannot reconcile certificates"),
        *("no cluster", "native sidecars", "injectors", "cannot read the cluster's state", "reading the cluster's state again"),
        *("pod", "act", "lease taken", "lease lost", "request failed", "request succeeds again"),
    }
)
"""Every event of the webhook's own lines."""

LEVELS: Final = frozenset({"debug", "info", "warning", "error", "critical"})
OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
RESULTS: Final = frozenset({*Treatment, "skipped", "unchanged"})
REASONS: Final = frozenset({*Reason, *SkipReason, *ReaperReason})

PACKAGE: Final = Path(webhook.__file__).parents[1]
_FRAME: Final = re.compile(r"(?:webhook|certs)/[a-z_/]+\.py:\d{1,5}(?= )")
_ERROR: Final = re.compile(r"\w+")


def redacted_log(text: str) -> Iterator[dict[str, object]]:
    """The lines that are JSON objects; each other one as an empty one, so that their number shows.

    Only a line feed ends a line: JSON texts hold U+2028 and U+0085, at which `str.splitlines` splits, too.
    """
    return (_line(one) for one in text.removesuffix("\n").split("\n")) if text else iter(())


def _line(text: str) -> dict[str, object]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    members = line if isinstance(line, dict) else {}
    shown = {name: read(members[name]) for name, read in MEMBERS.items() if name in members}
    return {name: value for name, value in shown.items() if value is not None}


def _one_of(words: Iterable[str]) -> Callable[[Any], object]:
    known = {str(word): str(word) for word in words}
    return lambda value: known.get(value, OTHER) if isinstance(value, str) else None


def _number(value: Any) -> object:
    return value if isinstance(value, int | float) else None


def _time(value: Any) -> object:
    try:
        return datetime.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None


def _traceback(value: Any) -> object:
    """The error's type, where it is Python's own, and the places in the webhook's code."""
    lines = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    name = _ERROR.match(lines[0]) if lines else None
    error = name[0] if name and isinstance(getattr(builtins, name[0], None), type) else OTHER
    places = [found[0] for one in lines for found in [_FRAME.search(one)] if found]
    return [error, *(one for one in places if (PACKAGE / one.partition(":")[0]).is_file())]


MEMBERS: Final = MappingProxyType(
    {
        "time": _time,
        "level": _one_of(LEVELS),
        "event": _one_of(EVENTS),
        "result": _one_of(RESULTS),
        "reason": _one_of(REASONS),
        "operation": _one_of(OPERATIONS),
        "traceback": _traceback,
        **dict.fromkeys(
            (
                "dry_run",
                "tls",
                "status",
                "operations",
                "duration_seconds",
                "seconds",
                "term",
                "max_connections",
                "wanted",
                "truncated_bytes",
            ),
            _number,
        ),
    }
)
"""The members of a line that are taken, and how each is read."""
