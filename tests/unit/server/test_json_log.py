"""A log line is JSON of a bounded size, whatever its fields are."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any

import pytest

from webhook.server.json_log import MAX_FRAMES, MAX_LINE_BYTES, JsonFormatter, json_line, log_uncaught

LARGE: dict[str, Any] = {
    "a text": "x" * 1_000_000,
    "control characters, six bytes each": "\0" * 1_000_000,
    "a list of texts": ["x" * 1000] * 1000,
    "a tuple": ("x" * 1000,) * 1000,
}


QUOTED = "token-of-the-task"


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_a_line_that_would_be_too_long_is_cut_and_says_so(value: object) -> None:
    line = json_line(0, "info", "webhook.review", "review", {"uid": "u", "namespace": value, "operations": 3})
    written = json.loads(line)
    assert len(line) < MAX_LINE_BYTES
    assert (written["uid"], written["operations"], written["event"]) == ("u", 3, "review")
    assert written["truncated_bytes"] > MAX_LINE_BYTES


def test_a_line_with_too_many_fields_keeps_its_event() -> None:
    line = json_line(0, "info", "webhook.review", "e" * 100_000, {f"field {number}": "x" * 1000 for number in range(1000)})
    assert len(line) < MAX_LINE_BYTES
    assert json.loads(line)["event"] == "e" * 256


def test_a_line_of_the_usual_size_is_as_it_was() -> None:
    assert json.loads(json_line(1.5, "info", "a", "b", {"c": ["d"] * 20})) == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "info",
        "logger": "a",
        "event": "b",
        "c": ["d"] * 20,
    }


def _recurse(depth: int) -> None:
    if not depth:
        raise ValueError
    _recurse(depth - 1)


def test_the_line_of_a_fault_has_a_largest_size_and_shows_the_innermost_frames() -> None:
    try:
        _recurse(500)
    except ValueError as fault:
        record = logging.LogRecord("webhook.review", logging.ERROR, "", 0, "fault", (), (ValueError, fault, fault.__traceback__))
    record.fields = {"uid": "u" * 100_000}
    line = JsonFormatter().format(record)
    written = json.loads(line)

    assert len(line) < MAX_LINE_BYTES
    assert written["event"] == "fault"
    record.fields = {"uid": "u"}
    kind, *frames = json.loads(JsonFormatter().format(record))["traceback"]
    assert (kind, len(frames)) == ("ValueError", MAX_FRAMES)
    assert frames[-1].endswith(" _recurse")


class _FailsAtItsEnd:
    def __del__(self) -> None:
        raise ValueError(QUOTED)


def _fail() -> None:
    raise ValueError(QUOTED)


def test_what_nobody_catches_is_logged_and_not_written_to_stderr(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught()
    _FailsAtItsEnd()
    thread = threading.Thread(target=_fail)
    thread.start()
    thread.join()
    lines = [JsonFormatter().format(record) for record in caplog.records]
    assert [json.loads(line)["event"] for line in lines] == ["uncaught error"] * 2
    assert QUOTED not in "".join(lines)
    assert capfd.readouterr().err == ""
