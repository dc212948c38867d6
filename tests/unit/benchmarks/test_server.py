"""A server under measurement: when the next one may have its core."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks import server
from benchmarks.server import RunningServer, ServerError

if TYPE_CHECKING:
    from pathlib import Path

BUSY: Final = """
import sys, time
ends = time.process_time() + 0.2
while time.process_time() < ends:
    pass
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def test_a_server_is_waited_for_until_it_has_answered_what_clients_that_have_left_had_sent(tmp_path: Path) -> None:
    answered = tmp_path / "answered"
    with subprocess.Popen([sys.executable, "-c", BUSY, str(answered)]) as process:
        try:
            RunningServer("busy", 0, process).wait_until_idle()
            assert answered.exists()
        finally:
            process.kill()


def test_a_server_that_never_comes_to_rest_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_DEADLINE_SECONDS", 0.0)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            with pytest.raises(ServerError, match="still works"):
                RunningServer("restless", 0, process).wait_until_idle()
        finally:
            process.kill()
