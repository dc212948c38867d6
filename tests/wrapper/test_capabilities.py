"""Root without CAP_KILL, as with ``drop: [ALL]`` and ``add: [SETUID, SETGID]``, and a task that changes to another user."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS
from tests.wrapper.http_clients import with_client
from tests.wrapper.main_container import container, end_of, python
from tests.wrapper.messages import signal_not_sent
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import bash_as_sh, dash_alone, dash_and_bash

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wrapper.fake_sidecar import FakeSidecar
    from tests.wrapper.shell_image import ShellImage

USER = 50_000
ENDS_BY_TERM_OR_LINE = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
os.write(1, b"up\\n")
os.read(0, 1)
os._exit(8)
"""


def as_another_user(program: str) -> list[str]:
    """A task that has changed its user, and may read the folders of a test run."""
    setpriv = str(require_program("setpriv"))
    return [
        *(setpriv, f"--reuid={USER}", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
        *python(program),
    ]


def ended_after_term(image: ShellImage, sidecar: FakeSidecar, *, reaches_the_task: bool = True) -> tuple[int, list[str]]:
    """Code and lines of a wrapper that got a TERM, and a line for the task after it."""
    require_root()
    without_kill = (str(require_program("setpriv")), "--bounding-set=-kill", "--")
    where = replace(container(image, sidecar.as_sidecar()), before=without_kill)
    with where.started(as_another_user(ENDS_BY_TERM_OR_LINE)) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        if reaches_the_task:
            process.wait(TIMEOUT_SECONDS)
            ended = end_of(process)
        else:
            assert process.stderr is not None
            line = process.stderr.readline()
            process.stdin.write(b".")
            process.stdin.flush()
            ended = end_of(process)
            return ended.code, [line.decode().rstrip("\n"), *ended.lines]
    return ended.code, ended.lines


@pytest.mark.parametrize("make", [dash_and_bash, bash_as_sh, dash_alone])
def test_a_process_of_the_tasks_user_sends_the_signal(
    make: Callable[[Path, tuple[str, ...]], ShellImage], ready_sidecar: FakeSidecar
) -> None:
    with TemporaryDirectory() as readable:
        Path(readable).chmod(0o755)
        assert ended_after_term(make(Path(readable, "bin"), ("curl", "setpriv")), ready_sidecar) == (7, [])
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_python_sends_the_signal_where_there_is_no_setpriv(ready_sidecar: FakeSidecar, tmp_path: Path) -> None:
    assert ended_after_term(with_client("python3", tmp_path / "bin"), ready_sidecar) == (7, [])


def test_a_signal_that_cannot_be_sent_is_reported_in_one_line(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    code, lines = ended_after_term(shell, ready_sidecar, reaches_the_task=False)
    assert (code, lines) == (8, [signal_not_sent(signal.SIGTERM, USER)])
    assert ready_sidecar.requests[-1] == "POST /quit"
