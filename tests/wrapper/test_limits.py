"""A container that may start no more processes or open no more files, as with the kubelet's podPidsLimit."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Reaction
from tests.wrapper.main_container import container, python
from tests.wrapper.messages import FEW_FILES, NOT_EVERY_QUIT
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import SHELLS

if TYPE_CHECKING:
    from tests.wrapper.main_container import Ended, MainContainer
    from tests.wrapper.shell_image import ShellImage

PROCESSES = 40
"""More than the wrapper and its task have."""

ENOUGH_FILES = 16

MAY_READ_THE_IMAGE = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
"""The folders of a test run belong to root."""

FILLS_THE_LIMIT = """
import os, time
try:
    while os.fork():
        pass
except BlockingIOError:
    os._exit(7)
os.closerange(0, 3)
time.sleep(3600)
"""
# Lowers the limit of the wrapper's own processes: its parent, and in bash the parent of that.
LEAVES_NO_PROCESS_TO_THE_WRAPPER = """
import os, resource, sys
process = os.getppid()
for _ in range(int(sys.argv[1])):
    resource.prlimit(process, resource.RLIMIT_NPROC, (1, 1))
    process = int(open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[1])
os._exit(7)
"""


def limited(where: MainContainer, *, as_pid_one: bool, processes: int = PROCESSES) -> MainContainer:
    """The same container with a limit on processes, as a user of its own: RLIMIT_NPROC counts by user, and not for root (getrlimit(2))."""
    require_root()
    unshare, setpriv, bash = (str(require_program(name)) for name in ("unshare", "setpriv", "bash"))
    namespace = (unshare, "--pid", "--fork", "--kill-child", "--mount-proc") if as_pid_one else ()
    user = str(100_000 + os.getpid() * 8 + list(SHELLS).index(where.shell.name))
    drop = (
        setpriv,
        f"--reuid={user}",
        "--clear-groups",
        *MAY_READ_THE_IMAGE,
        "--",
        bash,
        "-c",
        f'ulimit -u {processes}; exec "$@"',
        "bash",
    )
    return replace(where, before=(*namespace, *drop))


def own_lines(ended: Ended) -> list[str]:
    """The lines but that of a busybox since 1.37 which cannot redirect with so few files."""
    return [line for line in ended.lines if "F_DUPFD" not in line]


def test_leftovers_that_fill_the_limit_of_processes_are_ended_and_the_sidecars_quit(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """As process 1. Without the wrapper the kernel would end them with the task."""
    ended = limited(container(shell, ready_sidecar.as_sidecar()), as_pid_one=True).run(python(FILLS_THE_LIMIT))
    assert (ended.code, ended.stderr) == (7, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_where_no_process_can_be_started_the_exit_code_is_the_tasks_and_one_line_says_so(
    shell: ShellImage, ready_sidecar: FakeSidecar
) -> None:
    """A bash tries for 15 s before it gives up, so it has no part in this test; it ends in the same way."""
    if shell.is_bash:
        return
    ended = limited(container(shell, ready_sidecar.as_sidecar()), as_pid_one=False).run(python(LEAVES_NO_PROCESS_TO_THE_WRAPPER, "1"))
    assert ended.code == 7
    assert ended.lines[-1] == NOT_EVERY_QUIT


def test_where_the_task_cannot_be_started_the_wrapper_ends_with_a_code_and_a_line(shells: list[ShellImage]) -> None:
    """In bash another process starts the task, and tries for 15 s; no other one would end the wait for it. One bash is enough for that."""

    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
            ended = limited(container(shell, fake.as_sidecar()), as_pid_one=False, processes=2).run(python("print('ran')"))
        assert ended.stdout == b""
        assert ended.lines
        assert ended.code == 71 if shell.is_bash else ended.code > 0

    check_in_parallel(check, [shell for shell in shells if shell.name != "bash-as-sh"])


@pytest.mark.parametrize("count", [5, 9, 11, 12, 15, 16])
def test_with_a_low_limit_of_open_files_the_task_runs_or_a_code_and_a_line_say_that_it_does_not(
    shell: ShellImage, ready_sidecar: FakeSidecar, count: int
) -> None:
    bash = str(require_program("bash"))
    where = replace(container(shell, ready_sidecar.as_sidecar()), before=(bash, "-c", f'ulimit -n {count}; exec "$@"', "bash"))
    ended = where.run([str(require_program("dash")), "-c", "echo ran; exit 7"])
    if count >= ENOUGH_FILES:
        assert (ended.code, ended.stdout, ended.stderr) == (7, b"ran\n", b"")
    else:
        assert (ended.code, ended.stdout) == (71, b"")
        (line,) = own_lines(ended)
        assert FEW_FILES in line
