"""How a component starts and ends: its signals, its exit code, the error of a failed start."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from testbed.machine import ProcessInside
from testbed.process import Process
from testbed.wait import until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_component_in_a_machine_may_end_while_its_process_id_is_read(tmp_path: Path) -> None:
    """A program without a child stands in for nsenter."""
    process = ProcessInside("short", ["sleep", "0.3"], tmp_path / "short.log")
    assert process.end(signal.SIGKILL) == 0


@pytest.mark.parametrize(
    ("script", "message"), [("echo why >&2; exit 4", "crasher ended with 4\n"), ("echo why; sleep 600", "crasher is ready\n")]
)
def test_a_start_that_fails_says_why(tmp_path: Path, script: str, message: str) -> None:
    log = tmp_path / "crasher.log"
    process = Process("crasher", ["sh", "-c", script], log)
    until(lambda: "why" in log.read_text("utf-8"), "it has said why", 60)
    with pytest.raises(RuntimeError) as failed:
        process.ready(lambda: False, "is ready", 1)
    process.end(signal.SIGKILL)
    assert message in str(failed.value)
    assert str(failed.value).endswith("crasher.log:\nwhy")


def test_ctrl_c_in_a_terminal_does_not_reach_a_component(tmp_path: Path) -> None:
    process = Process("sleeper", ["sleep", "600"], tmp_path / "sleeper.log")
    assert os.getpgid(process.pid) != os.getpgrp()
    assert process.end() == -signal.SIGTERM
