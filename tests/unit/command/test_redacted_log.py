"""Log lines for a bug report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from webhook.command.redacted_log import EVENTS, MEMBERS, redacted_log

WEBHOOK: Final = Path(__file__).parents[3] / "webhook"
_EVENT: Final = re.compile(r'LOG\.(?:debug|info|warning|error)\(\s*"([^"]+)"|LOG\.log\([^"]*?, "([^"]+)"|write_info\(LOG\.name, "([^"]+)"')


def test_every_event_of_the_webhooks_own_lines_is_in_the_table() -> None:
    sources = [path.read_text("utf-8") for folder in ("server", "reaper", "command") for path in (WEBHOOK / folder).glob("*.py")]
    written = {event for source in sources for found in _EVENT.findall(source) for event in found if event}

    assert written == EVENTS


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "1", '"a"', "[" * 100_000, '{"event":'])
def test_a_line_that_is_no_object_is_an_empty_one(text: str) -> None:
    assert list(redacted_log(f"{text}\n")) == [{}]


@pytest.mark.parametrize("character", ["\u2028", "\x85"])
def test_a_line_is_read_whole_whatever_characters_its_texts_hold(character: str) -> None:
    text = json.dumps({"note": f"a{character}b", "event": "review"}, ensure_ascii=False) + "\n"

    assert list(redacted_log(text)) == [{"event": "review"}]


@pytest.mark.parametrize("member", [name for name in MEMBERS if name not in {"time", "traceback"}])
def test_a_word_that_is_in_no_table_is_another_one_or_none(member: str) -> None:
    (line,) = redacted_log(json.dumps({member: "swordfish"}))

    assert line in ({}, {member: "other"})


def test_a_member_that_is_in_no_table_is_left_out() -> None:
    assert list(redacted_log('{"name": "a", "level": "info", "note": "b"}')) == [{"level": "info"}]


def test_of_a_traceback_remain_pythons_own_error_and_the_places_in_the_webhooks_code() -> None:
    frames = ["RefusedError: swordfish", "/p/webhook/core/pod.py:3 f", "/p/webhook/core/swordfish.py:3 f", "/usr/lib/swordfish.py:1 f"]

    assert list(redacted_log(json.dumps({"traceback": frames}))) == [{"traceback": ["other", "webhook/core/pod.py:3"]}]
