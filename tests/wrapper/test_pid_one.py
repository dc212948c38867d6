"""The wrapper as process 1, as in every container whose pod does not share its process namespace."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.wrapper.differences import KILLED_PARENT
from tests.wrapper.main_container import container, end_of, python
from tests.wrapper.messages import CODE_UNKNOWN
from tests.wrapper.requirements import require_program, require_root

if TYPE_CHECKING:
    from tests.wrapper.fake_sidecar import FakeSidecar
    from tests.wrapper.main_container import MainContainer
    from tests.wrapper.shell_image import ShellImage

# Twenty children each leave a grandchild behind, which ends after them: process 1 inherits it and has to reap it.
LEAVES_ORPHANS = """
import glob, os, sys
def stat(name):
    try:
        return open(name).read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ("gone", "0")
def states():
    return [state for state, parent, *_ in map(stat, glob.glob("/proc/[0-9]*/stat")) if parent == "1"]
reads, writes = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(writes)
            os.read(reads, 1)
        os._exit(0)
    os.wait()
assert len(states()) >= 21, states()
os.close(writes)
while "Z" in states() or len(states()) > 1:
    pass
os._exit(5)
"""
# Not signal.pause(): Python runs the handler of a signal that arrives just before it only after the next signal.
TERM_ENDS = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
os.write(1, b"up\\n")
while True:
    pass
"""


def as_pid_one(where: MainContainer) -> MainContainer:
    require_root()
    unshare = str(require_program("unshare"))
    return replace(where, before=(unshare, "--pid", "--fork", "--kill-child", "--mount-proc"))


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))


def test_orphans_are_reaped_while_the_task_runs(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = as_pid_one(container(shell, ready_sidecar.as_sidecar())).run(python(LEAVES_ORPHANS))
    assert (ended.code, ended.stdout, ended.stderr) == (5, b"", b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_term_reaches_the_task_of_process_one(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    with as_pid_one(container(shell, ready_sidecar.as_sidecar())).started(python(TERM_ENDS)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_term_kills_a_task_without_handlers_under_process_one(shell: ShellImage) -> None:
    """Unwrapped it would be process 1 itself, and the kernel ignores a TERM to process 1 without a handler: only the kubelet's KILL would end it."""
    with as_pid_one(container(shell)).started(python("import os, signal; os.write(1, b'up\\n'); signal.pause()")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        assert end_of(process).code == 143


# The task survives its own kill, and process 1 does too.
KILLS_ALL_OTHERS = """
import contextlib, os, signal
with contextlib.suppress(ProcessLookupError):
    os.kill(-1, signal.SIGKILL)
os.write(1, b"alone\\n")
os._exit(8)
"""


def test_a_task_that_kills_all_other_processes_runs_to_its_end(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """In bash its parent is killed too, and with it goes the exit code; one line says so."""
    ended = as_pid_one(container(shell, ready_sidecar.as_sidecar())).run(python(KILLS_ALL_OTHERS))
    assert ended.stdout == b"alone\n"
    assert (ended.code, ended.lines) == ((137, [CODE_UNKNOWN]) if shell.is_bash else (8, [])), KILLED_PARENT
    assert ready_sidecar.requests[-1] == "POST /quit"
